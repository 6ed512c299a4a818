namespace RlHarness.Tracking.Report;

/// <summary>One line of a chart; <paramref name="Css"/> names its colour: <c>training</c>, <c>unmonitored</c>, <c>one</c>, <c>two</c>.</summary>
internal sealed record Curve(string Name, string Css, IReadOnlyList<CurvePoint> Points);
