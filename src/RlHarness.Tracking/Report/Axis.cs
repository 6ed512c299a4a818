using System.Globalization;

namespace RlHarness.Tracking.Report;

/// <summary>One axis: its name with the unit, its limits, and the distance of its ticks.</summary>
internal sealed record Axis(string Name, double Min, double Max, double Step, bool Percent = false)
{
    /// <summary>An axis of differences of rates says so first in its name, and is told in points.</summary>
    public const string Points = "points";

    private string Unit => Name.StartsWith(Points, StringComparison.Ordinal) ? " " + Points : " %";

    /// <summary>Whole percents from 0 to 100.</summary>
    public static Axis Fraction(string name) => new(name, 0, 1, 0.25, Percent: true);

    /// <summary>Round limits around the values; a percent axis has 0 in it and ends at 100 %.</summary>
    public static Axis Around(string name, IReadOnlyCollection<double> values, bool percent)
    {
        var (min, max) = percent ? (Math.Min(0, values.Min()), Math.Max(0.05, values.Max())) : (values.Min(), values.Max());
        if (max <= min)
            (min, max) = (min - 0.5, max + 0.5);
        var step = NiceStep((max - min) / 5);
        (min, max) = (Math.Floor((min / step) + 1e-9) * step, Math.Ceiling((max / step) - 1e-9) * step);
        return new(name, min, percent ? Math.Min(1, max) : max, step, percent);
    }

    /// <summary>An axis of whole numbers, such as steps, which ends where they end.</summary>
    public static Axis Whole(string name, IReadOnlyCollection<double> values)
    {
        var (min, max) = (values.Min(), values.Max());
        if (max <= min)
            (min, max) = (min - 0.5, max + 0.5);
        return new(name, min, max, Math.Max(1, NiceStep((max - min) / 5)));
    }

    public IEnumerable<double> Ticks()
    {
        for (var k = Math.Ceiling((Min / Step) - 1e-9); k * Step <= Max + (Step * 1e-6); k++)
            yield return (k * Step) + 0.0; // never −0
    }

    /// <summary>A tick's words.</summary>
    public string Label(double value)
    {
        if (Percent)
            return (100 * value).ToString(Step < 0.0099 ? "0.0" : "0", CultureInfo.InvariantCulture) + (Unit == " %" ? Unit : "");
        var decimals = Math.Clamp((int)Math.Ceiling(-Math.Log10(Step) - 1e-9), 0, 6);
        return value.ToString("F" + decimals.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
    }

    /// <summary>A value's words, finer than a tick's.</summary>
    public string Value(double value) =>
        Percent ? (100 * value).ToString("0.0", CultureInfo.InvariantCulture) + Unit : value.ToString("0.####", CultureInfo.InvariantCulture);

    /// <summary>1, 2 or 5 times a power of ten, at least as large as wanted.</summary>
    internal static double NiceStep(double wanted)
    {
        var power = Math.Pow(10, Math.Floor(Math.Log10(wanted)));
        var digit = wanted / power;
        return power
            * (
                digit <= 1 ? 1
                : digit <= 2 ? 2
                : digit <= 5 ? 5
                : 10
            );
    }
}
