namespace RlHarness.Models.ChatTemplates;

/// <summary>The <c>loop</c> of a <c>for</c>.</summary>
internal sealed class LoopValue(IReadOnlyList<object?> items, int depth, Func<object?, int, string>? again)
{
    public static readonly HashSet<string> Names =
    [
        "index",
        "index0",
        "revindex",
        "revindex0",
        "first",
        "last",
        "length",
        "depth",
        "depth0",
        "previtem",
        "nextitem",
        "cycle",
        "changed",
    ];

    private object?[]? _lastChanged;

    public int Index { get; set; }

    public Func<object?, int, string>? Again => again;

    public int Depth => depth;

    public object? Attribute(string name) =>
        name switch
        {
            "index" => (long)Index + 1,
            "index0" => (long)Index,
            "revindex" => (long)items.Count - Index,
            "revindex0" => (long)items.Count - Index - 1,
            "first" => Index == 0,
            "last" => Index == items.Count - 1,
            "length" => (long)items.Count,
            "depth" => (long)depth + 1,
            "depth0" => (long)depth,
            "previtem" => Index > 0 ? items[Index - 1] : new UndefinedValue("there is no previous item"),
            "nextitem" => Index + 1 < items.Count ? items[Index + 1] : new UndefinedValue("there is no next item"),
            "cycle" => new FunctionValue(name, arguments =>
                arguments.Positional.Count > 0
                    ? arguments.Positional[Index % arguments.Positional.Count]
                    : throw TemplateError.Type("no items for cycling given")
            ),
            "changed" => new FunctionValue(name, Changed),
            _ => null,
        };

    private object? Changed(Arguments arguments)
    {
        object?[] now = [.. arguments.Positional];
        if (_lastChanged is not null && now.Length == _lastChanged.Length && now.Zip(_lastChanged).All(pair => PythonOperators.Equal(pair.First, pair.Second)))
            return false;
        _lastChanged = now;
        return true;
    }
}
