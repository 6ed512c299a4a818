using System.Text.Json;
using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Formats.ChatTemplates;
using RlHarness.Formats.Tests.Tokenizers;
using RlHarness.Tests;

namespace RlHarness.Formats.Tests.ChatTemplates;

/// <summary>Every rendering that transformers and jinja2 wrote, equal exactly.</summary>
[Trait("kind", "arithmetic")]
public sealed class ChatTemplateGoldenTests(ITestOutputHelper output)
{
    public static TheoryData<string> Templates() => [.. Golden.Names("chat_templates", "*.jinja")];

    [Theory]
    [MemberData(nameof(Templates))]
    public void Conversations_render_to_the_same_text_and_spans(string file)
    {
        var template = ChatTemplate.Parse(File.ReadAllText(Golden.Require("chat_templates", file)));
        using var cases = JsonDocument.Parse(File.ReadAllBytes(Golden.Require("chat_templates", Path.GetFileNameWithoutExtension(file) + ".cases.json")));
        var failures = new Failures(output);
        foreach (var row in cases.RootElement.EnumerateArray())
        {
            var name = row.GetProperty("name").GetString()!;
            var prompt = row.GetProperty("add_generation_prompt").GetBoolean();
            var continues = row.TryGetProperty("continue_final_message", out var flag) && flag.GetBoolean();
            Compare(failures, name, row, () =>
                template.Render(Messages(row.GetProperty("messages")), prompt, Variables(row.GetProperty("kwargs")), continues, FixedClock.Instance)
            );
        }

        failures.AssertNone();
    }

    [Fact]
    public void Snippets_render_to_the_same_text_or_fail_where_jinja_fails()
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Golden.Require("chat_templates", "snippets.json")));
        var messages = Messages(json.RootElement.GetProperty("messages"));
        var variables = Variables(json.RootElement.GetProperty("kwargs"));
        var failures = new Failures(output);
        foreach (var row in json.RootElement.GetProperty("snippets").EnumerateArray())
        {
            var source = row.GetProperty("template").GetString()!;
            Compare(failures, $"{row.GetProperty("name")} {source}", row, () =>
                ChatTemplate.Parse(source).Render(messages, false, variables, false, FixedClock.Instance)
            );
        }

        failures.AssertNone();
    }

    internal static IReadOnlyList<ChatMessage> Messages(JsonElement messages) => [.. messages.EnumerateArray().Select(ChatMessage.FromJson)];

    internal static Dictionary<string, object?> Variables(JsonElement variables) =>
        variables.EnumerateObject().ToDictionary(pair => pair.Name, pair => (object?)pair.Value.Clone());

    private static void Compare(Failures failures, string name, JsonElement row, Func<RenderedChat> render)
    {
        RenderedChat? rendered = null;
        HarnessException? error = null;
        try
        {
            rendered = render();
        }
        catch (HarnessException e)
        {
            error = e;
        }

        if (row.TryGetProperty("error", out var expected))
        {
            failures.Check(name, "an error", rendered is null ? "an error" : rendered.Text);
            if (row.GetProperty("error_kind").GetString() == "raise_exception")
                failures.Check(name, expected.GetString(), (error?.InnerException as TemplateError)?.Message);
            return;
        }

        failures.Check(name, row.GetProperty("expected").GetString(), rendered?.Text ?? error!.Message);
        if (row.TryGetProperty("assistant_spans", out var spans))
        {
            failures.Check(
                name + " spans",
                spans.EnumerateArray().Select(span => (span[0].GetInt32(), span[1].GetInt32())),
                (rendered?.AssistantSpans ?? []).Select(span =>
                    (TokenizerGoldenTests.CodePoints(rendered!.Text, span.Start), TokenizerGoldenTests.CodePoints(rendered.Text, span.End))
                )
            );
        }
    }
}
