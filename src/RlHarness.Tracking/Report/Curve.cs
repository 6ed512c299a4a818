namespace RlHarness.Tracking.Report;

/// <summary>One line of a chart; <paramref name="Css"/> names its colour: <c>training</c>, <c>unmonitored</c>, <c>one</c>, <c>two</c>.</summary>
internal sealed record Curve(string Name, string Css, IReadOnlyList<CurvePoint> Points);

/// <summary>One point of a curve with its interval; limits are NaN where there is none.</summary>
/// <param name="Href">Where the transcripts behind it are; null where none are shown.</param>
internal readonly record struct CurvePoint(double X, double Y, double Low, double High, int N, string? Href = null);
