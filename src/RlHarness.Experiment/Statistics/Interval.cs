namespace RlHarness.Experiment.Statistics;

/// <summary>Lower and upper limit of a confidence interval.</summary>
public readonly record struct Interval(double Low, double High)
{
    public static Interval Around(double centre, double halfWidth) => new(centre - halfWidth, centre + halfWidth);

    public Interval Clip(double low, double high) => new(Math.Clamp(Low, low, high), Math.Clamp(High, low, high));

    internal static Interval None => new(double.NaN, double.NaN);
}
