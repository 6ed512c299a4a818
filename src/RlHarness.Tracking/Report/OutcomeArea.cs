using System.Globalization;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Tracking.Report;

/// <summary>
/// Outcomes of one tier over RL steps, or over tokens of documents, as a stacked area, in the classes and colours of <see cref="OutcomeChart"/>;
/// beside it, bars of another tier.
/// </summary>
/// <param name="Beside">Before and after RL, of a tier whose course is not drawn here.</param>
internal sealed record OutcomeArea(
    string Title,
    IReadOnlyList<(long Step, OutcomeBar Bar)> Steps,
    IReadOnlyList<OutcomeBar> Beside,
    double Width = 460,
    double Height = 250
)
{
    /// <summary>What goes from left to right.</summary>
    public string XLabel { get; init; } = "RL step";

    /// <summary>Where it is marked; null: at each evaluation.</summary>
    public IReadOnlyList<double>? Ticks { get; init; }

    private const double Top = 32;
    private const double Bottom = 38;
    private const double Bar = 34;

    /// <summary>Draws the evaluations of one tier; null where there are fewer than two.</summary>
    public static OutcomeArea? Of(ReportData data, Tier tier)
    {
        var steps = data
            .Steps.Select(step => (step, OutcomeBar.Of(data, tier, step, $"step {step}")))
            .Where(s => s.Item2 is not null)
            .Select(s => (s.step, s.Item2!))
            .ToArray();
        if (steps.Length < 2)
            return null;
        var beside =
            tier == Tier.Unmonitored ? [] : data.Ends().Select(e => OutcomeBar.Of(data, Tier.Unmonitored, e.Step, e.When)).OfType<OutcomeBar>().ToArray();
        return new($"Outcomes over RL, {MetricLabels.Of(tier)} tier{(beside.Length > 0 ? "; bars: unmonitored" : "")}", steps, beside);
    }

    public string Picture() =>
        Report.Picture.Html(Figure(), OutcomeBar.Numbers([.. Steps.Select(s => s.Bar), .. Beside.Select(b => b with { Group = "unmonitored," })]));

    public string Figure()
    {
        var right = 16 + (Beside.Count * (Bar + 8));
        var frame = new PlotFrame(new Axis(XLabel, Steps[0].Step, Steps[^1].Step, 1), Axis.Fraction("of responses"), Width, Height, 56, Top, right, Bottom);
        var svg = new Svg().Text(16, 18, Title, "title");
        var under = new double[Steps.Count];
        for (var k = 0; k < OutcomeChart.Classes.Count; k++)
        {
            var (_, name, css) = OutcomeChart.Classes[k];
            double[] over = [.. Steps.Select((s, i) => under[i] + s.Bar.Shares[k])];
            if (Steps.Any(s => s.Bar.Shares[k] > 0))
            {
                var edge = Steps
                    .Select((s, i) => (frame.X(s.Step), frame.Y(over[i])))
                    .Concat(Steps.Select((s, i) => (frame.X(s.Step), frame.Y(under[i]))).Reverse());
                svg.Path(
                    edge,
                    $"part {css}",
                    closed: true,
                    name
                        + ": "
                        + string.Join(
                            "; ",
                            Steps.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Bar.Name}: {100 * s.Bar.Shares[k]:0.0} % (n = {s.Bar.N})"))
                        )
                );
            }

            under = over;
        }

        foreach (var y in frame.Up.Ticks())
            svg.Line(frame.Left - 4, frame.Y(y), frame.Left, frame.Y(y), "axis").Text(frame.Left - 7, frame.Y(y) + 4, frame.Up.Label(y), "tick", "end");
        foreach (var at in Ticks ?? [.. Steps.Select(s => (double)s.Step)])
            svg.Line(frame.X(at), Height - Bottom, frame.X(at), Height - Bottom + 4, "axis")
                .Text(frame.X(at), Height - Bottom + 17, at.ToString("0", CultureInfo.InvariantCulture), "tick", "middle");
        svg.Text((frame.Left + Width - right) / 2, Height - 5, XLabel, "label", "middle");
        for (var i = 0; i < Beside.Count; i++)
            Column(svg, frame, Beside[i], Width - right + 16 + (i * (Bar + 8)));
        return Svg.Figure(Width, Height, Title, "Share of responses by outcome at each evaluation", svg.ToString());
    }

    private void Column(Svg svg, PlotFrame frame, OutcomeBar bar, double x)
    {
        var under = 0.0;
        for (var k = 0; k < OutcomeChart.Classes.Count; k++)
        {
            var share = bar.Shares[k];
            if (!(share > 0))
                continue;
            svg.Rect(
                x,
                frame.Y(under + share),
                Bar,
                frame.Y(under) - frame.Y(under + share),
                $"part {OutcomeChart.Classes[k].Css}",
                string.Create(CultureInfo.InvariantCulture, $"unmonitored, {bar.Name}: {OutcomeChart.Classes[k].Name} {100 * share:0.0} % (n = {bar.N})"),
                bar.Links?[k]
            );
            under += share;
        }

        svg.Text(x + (Bar / 2), Height - Bottom + 17, bar.Name, "tick", "middle");
    }
}
