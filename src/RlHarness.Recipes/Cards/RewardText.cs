using System.Buffers.Binary;
using System.Globalization;
using RlHarness.Core.Chat;
using RlHarness.Formats.ChatTemplates;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;

namespace RlHarness.Recipes.Cards;

/// <summary>What a reward model's score is of: the exact text, and the bias that is added to what transformers computes.</summary>
/// <param name="Before">Text before the user's message.</param>
/// <param name="Between">Text between it and the output.</param>
/// <param name="After">Text after the output, up to the token whose state is scored.</param>
/// <param name="Bias">Added to w·h; transformers' heads have none.</param>
internal sealed record RewardText(string Before, string Between, string After, float Bias)
{
    // Words that no template writes, and that it changes nothing in.
    private const string User = "USERMESSAGE",
        Output = "ASSISTANTOUTPUT";

    /// <param name="clock">What a template that reads the clock sees.</param>
    internal static RewardText Of(string folder, TimeProvider clock)
    {
        var tokenizer = Tokenizer.Load(folder);
        var chat = ChatEncoder
            .For(tokenizer, clock: clock)
            .EncodeAnswer([ChatMessage.User(User), ChatMessage.Assistant(Output)], ModelInspection.Of(folder).EndTokenIds);
        // Up to the last token that the model reads, and that token itself where the template leaves it out.
        var whole = tokenizer.EncodeWithSpans(chat.Text);
        var text =
            whole.Ids.Length >= chat.Ids.Length && whole.Ids[chat.Ids.Length - 1] == chat.Ids[^1]
                ? chat.Text[..whole.Spans[chat.Ids.Length - 1].End]
                : chat.Text[..whole.Spans[chat.Ids.Length - 2].End] + tokenizer.TokenOf(chat.Ids[^1]);
        var (user, output) = (text.IndexOf(User, StringComparison.Ordinal), text.IndexOf(Output, StringComparison.Ordinal));
        using var file = SafetensorsSet.Open(folder);
        var bias = file.Entries.TryGetValue(ScalarHead.Bias, out var entry) ? BinaryPrimitives.ReadSingleLittleEndian(file.Bytes(entry)) : 0;
        return new(text[..user], text[(user + User.Length)..output], text[(output + Output.Length)..], bias);
    }

    internal string Text(string user, string output) => Before + user + Between + output + After;

    /// <summary>The text as a Python f-string of the variables <c>user</c> and <c>output</c>.</summary>
    internal string Python => $"f\"{Escaped(Before)}{{user}}{Escaped(Between)}{{output}}{Escaped(After)}\"";

    internal string BiasText => Bias.ToString("R", CultureInfo.InvariantCulture);

    private static string Escaped(string text) =>
        string.Concat(
            text.Select(c =>
                c switch
                {
                    '\\' => "\\\\",
                    '"' => "\\\"",
                    '\n' => "\\n",
                    '\r' => "\\r",
                    '\t' => "\\t",
                    '{' => "{{",
                    '}' => "}}",
                    < ' ' => $"\\x{(int)c:x2}",
                    _ => c.ToString(),
                }
            )
        );
}
