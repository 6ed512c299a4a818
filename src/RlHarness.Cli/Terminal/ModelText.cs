namespace RlHarness.Cli.Terminal;

/// <summary>What a model said, for a terminal.</summary>
internal static class ModelText
{
    /// <summary>An output; null: the response has none that could be read.</summary>
    internal static string Output(string? output) => Visible(output ?? "(none that can be read)");

    /// <summary>With control characters as signs: none of it moves the cursor or speaks to the terminal.</summary>
    internal static string Visible(string text) => VisibleWriter.Of(text.ReplaceLineEndings("\n"));
}

/// <summary>Name and value, one pair a line, the values below one another.</summary>
internal static class Fields
{
    internal static void Print(IReadOnlyList<(string Name, string? Value)> rows)
    {
        var width = rows.Max(r => r.Name.Length);
        foreach (var (name, value) in rows.Where(r => r.Value is not null))
            Console.WriteLine($"{name.PadRight(width)}  {value}");
    }
}
