using System.Globalization;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Tracking.Report;

/// <summary>Outcomes of one tier over RL steps as a stacked area, in the classes and colours of <see cref="OutcomeChart"/>.</summary>
internal sealed record OutcomeArea(string Title, IReadOnlyList<(long Step, int N, double[] Shares)> Steps, double Width = 460, double Height = 250)
{
    private const double Left = 48;
    private const double Top = 32;
    private const double Bottom = 38;
    private const double Right = 16;

    /// <summary>Of the evaluations of one tier; null where there are fewer than two.</summary>
    public static OutcomeArea? Of(ReportData data, Tier tier)
    {
        var steps = new List<(long Step, int N, double[] Shares)>();
        foreach (var step in data.Steps)
        {
            var shares = OutcomeChart.Classes.Select(c => data.Figure(c.Metric, tier, step)).ToArray();
            if (shares.Any(s => s is not null)) steps.Add((step, shares.Max(s => s?.N ?? 0), [.. shares.Select(s => s?.Value ?? 0)]));
        }

        return steps.Count < 2 ? null : new($"Outcomes over RL, {tier.ToString().ToLowerInvariant()} tier", steps);
    }

    public string Figure()
    {
        var svg = new Svg().Raw($"<svg class=\"chart\" viewBox=\"0 0 {Svg.N(Width)} {Svg.N(Height)}\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{Svg.Escape(Title)}\">");
        svg.Text(16, 18, Title, "title");
        double first = Steps[0].Step, last = Steps[^1].Step;
        double X(double step) => Left + ((step - first) / (last - first) * (Width - Left - Right));
        double Y(double share) => Height - Bottom - (share * (Height - Top - Bottom));
        var under = new double[Steps.Count];
        for (var k = 0; k < OutcomeChart.Classes.Count; k++)
        {
            var (_, name, css) = OutcomeChart.Classes[k];
            double[] over = [.. Steps.Select((s, i) => under[i] + s.Shares[k])];
            if (Steps.Any(s => s.Shares[k] > 0))
            {
                var edge = Steps.Select((s, i) => (X(s.Step), Y(over[i]))).Concat(Steps.Select((s, i) => (X(s.Step), Y(under[i]))).Reverse());
                var title = name + ": " + string.Join("; ", Steps.Select(s => string.Create(CultureInfo.InvariantCulture, $"step {s.Step}: {100 * s.Shares[k]:0.0} % (n = {s.N})")));
                svg.Raw($"<g><title>{Svg.Escape(title)}</title>").Path(edge, $"part {css}", closed: true).Raw("</g>");
            }

            under = over;
        }

        for (var tick = 0; tick <= 4; tick++) svg.Line(Left - 4, Y(tick / 4.0), Left, Y(tick / 4.0), "axis").Text(Left - 7, Y(tick / 4.0) + 4, $"{25 * tick} %", "tick", "end");
        foreach (var (step, _, _) in Steps) svg.Line(X(step), Height - Bottom, X(step), Height - Bottom + 4, "axis").Text(X(step), Height - Bottom + 17, step.ToString(CultureInfo.InvariantCulture), "tick", "middle");
        return svg.Text((Left + Width - Right) / 2, Height - 5, "RL step", "label", "middle").Raw("</svg>").ToString();
    }
}
