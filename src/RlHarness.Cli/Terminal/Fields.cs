namespace RlHarness.Cli.Terminal;

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
