namespace RlHarness.Core.Settings;

/// <summary>The range that a number may have, ends included unless said otherwise.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class AllowedAttribute(double min, double max) : Attribute
{
    public double Min { get; } = min;

    public double Max { get; } = max;

    public bool MinExclusive { get; init; }

    public bool MaxExclusive { get; init; }

    public bool Holds(double value) => !double.IsNaN(value) && (MinExclusive ? value > Min : value >= Min) && (MaxExclusive ? value < Max : value <= Max);

    public override string ToString()
    {
        var culture = System.Globalization.CultureInfo.InvariantCulture;
        return $"{(MinExclusive ? "above " : "")}{Min.ToString(culture)} to "
            + $"{(MaxExclusive ? "below " : "")}{(Max >= int.MaxValue ? "any" : Max.ToString(culture))}";
    }
}

/// <summary>The words that a text setting may be.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OneOfAttribute(params string[] values) : Attribute
{
    public IReadOnlyList<string> Values { get; } = values;
}

/// <summary>What a setting means, in one line; shown by <c>--help</c> pages and in docs/settings.md.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class MeaningAttribute(string text) : Attribute
{
    public string Text { get; } = text;
}

/// <summary>The property that a single value in place of a mapping sets: <c>detectors: [keyword]</c> for <c>- kind: keyword</c>.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ShorthandAttribute : Attribute;

/// <summary>
/// The settings that somebody wrote, in a file or on the command line, in contrast to those that have their default. A file that has every top-level key,
/// such as a run's own config.yaml, is a listing of all settings: nothing in it counts as written.
/// </summary>
public sealed class WrittenSettings
{
    /// <summary>Nothing is written.</summary>
    public static readonly WrittenSettings None = new();

    internal const string CommandLine = "command line";
    private readonly Dictionary<string, string> _places = new(StringComparer.Ordinal);

    /// <summary>Keys in the order in which they were read, such as <c>rl.clip_range</c> or <c>evaluate.detectors[0].kind</c>.</summary>
    public IReadOnlyCollection<string> Keys => _places.Keys;

    /// <summary>File and line, or "command line"; null for a setting that nobody wrote.</summary>
    public string? Where(string key) => _places.GetValueOrDefault(key);

    public bool Has(string key) => _places.ContainsKey(key);

    public bool OnCommandLine(string key) => Where(key) == CommandLine;

    /// <summary>Those of them that <paramref name="which"/> holds for.</summary>
    public WrittenSettings Only(Func<string, bool> which)
    {
        var some = new WrittenSettings();
        foreach (var (key, place) in _places.Where(p => which(p.Key)))
            some.Add(key, place);
        return some;
    }

    internal void Add(string key, string where) => _places[key] = where;
}
