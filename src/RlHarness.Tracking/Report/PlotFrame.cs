namespace RlHarness.Tracking.Report;

/// <summary>Where a chart's values lie: scales from values to coordinates, grid, ticks and the axes' names.</summary>
internal sealed record PlotFrame(Axis Across, Axis Up, double Width, double Height, double Left = 56, double Top = 58, double Right = 16, double Bottom = 40)
{
    /// <summary>Room for an axis' ticks and its name, at least the usual 56.</summary>
    public static double Room(Axis up) => Math.Max(56, 30 + up.Ticks().Max(t => Svg.Wide(up.Label(t))));

    public double X(double value) => Left + ((value - Across.Min) / (Across.Max - Across.Min) * (Width - Left - Right));

    public double Y(double value) => Height - Bottom - ((value - Up.Min) / (Up.Max - Up.Min) * (Height - Top - Bottom));

    public void Draw(Svg svg)
    {
        foreach (var y in Up.Ticks())
            svg.Line(Left, Y(y), Width - Right, Y(y), Math.Abs(y) < Up.Step * 1e-6 ? "axis" : "grid").Text(Left - 6, Y(y) + 4, Up.Label(y), "tick", "end");
        foreach (var x in Across.Ticks())
            svg.Line(X(x), Height - Bottom, X(x), Height - Bottom + 4, "axis").Text(X(x), Height - Bottom + 17, Across.Label(x), "tick", "middle");
        svg.Text((Left + Width - Right) / 2, Height - 5, Across.Name, "label", "middle");
        svg.Raw(
            $"<text class=\"label\" text-anchor=\"middle\" transform=\"translate(13 {Svg.N((Top + Height - Bottom) / 2)}) rotate(-90)\">{Svg.Escape(Up.Name)}</text>"
        );
    }

    /// <summary>A value with its interval upwards, where it has one.</summary>
    public void Whisker(Svg svg, double x, double low, double high, string css)
    {
        if (double.IsFinite(low) && double.IsFinite(high))
            svg.Line(X(x), Y(low), X(x), Y(high), $"whisker {css}");
    }
}
