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
