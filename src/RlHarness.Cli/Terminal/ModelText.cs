namespace RlHarness.Cli.Terminal;

/// <summary>What a model said, for a terminal.</summary>
internal static class ModelText
{
    /// <summary>An output; null: the response has none that could be read.</summary>
    internal static string Output(string? output) => Visible(output ?? "(none that can be read)");

    /// <summary>With control characters as signs: none of it moves the cursor or speaks to the terminal.</summary>
    internal static string Visible(string text) => VisibleWriter.Of(text.ReplaceLineEndings("\n"));
}
