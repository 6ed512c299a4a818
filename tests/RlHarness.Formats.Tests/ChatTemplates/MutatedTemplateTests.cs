using System.Text;
using RlHarness.Core.Chat;
using RlHarness.Formats.ChatTemplates;

namespace RlHarness.Formats.Tests.ChatTemplates;

[Trait("kind", "contract")]
public sealed class MutatedTemplateTests
{
    public static TheoryData<string> Templates() => [.. Golden.Names("chat_templates", "*.jinja")];

    [Theory]
    [MemberData(nameof(Templates))]
    public void A_damaged_template_renders_or_is_refused_in_words(string file) =>
        Mutations.AreReadOrRefused(File.ReadAllBytes(Golden.Require("chat_templates", file)), 1000, bytes =>
            ChatTemplate
                .Parse(Encoding.UTF8.GetString(bytes))
                .Render(
                    [ChatMessage.User("What is 2 + 2?"), ChatMessage.Assistant("It is 4."), ChatMessage.User("And 3 + 3?")],
                    addGenerationPrompt: true,
                    new Dictionary<string, object?> { ["bos_token"] = "<s>", ["eos_token"] = "</s>" },
                    clock: FixedClock.Instance
                )
        );
}
