namespace RlHarness.Cli.Terminal;

/// <summary>What a model said, for a terminal.</summary>
internal static class ModelText
{
    /// <summary>An output; null: the response has none that could be read.</summary>
    internal static string Output(string? output) => Visible(output ?? "(none that can be read)");

    /// <summary>With control characters as signs: none of it moves the cursor or speaks to the terminal.</summary>
    internal static string Visible(string text) =>
        string.Concat(
            text.ReplaceLineEndings("\n")
                .Select(c =>
                    c is '\n' or '\t' || !char.IsControl(c) ? c
                    : c < ' ' ? (char)('\u2400' + c)
                    : '\uFFFD'
                )
        );
}
