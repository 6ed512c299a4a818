using RlHarness.Statistics;

namespace RlHarness.Tracking.Report;

/// <summary>From all responses to those that fake: each column holds what is left of the one before it; what a band loses, ends there.</summary>
/// <param name="Stages">Each a part of the one before.</param>
internal sealed record FlowChart(
    string Title,
    IReadOnlyList<(string Name, Estimate Share, string? Href)> Stages,
    string Css,
    double Width = 460,
    double Height = 220
)
{
    private const double Left = 16;
    private const double Top = 52;
    private const double Bottom = 42;
    private const double Column = 26;

    public string Picture()
    {
        var table = new HtmlTable("stage", "#of all responses", "#95 %", "#n", "#of the stage before");
        var percent = Axis.Fraction("");
        for (var i = 0; i < Stages.Count; i++)
        {
            var (name, e, href) = Stages[i];
            var before = i == 0 ? 1 : Stages[i - 1].Share.Value;
            table.Row(
                Svg.Escape(name),
                HtmlTable.Link(percent.Value(e.Value), href),
                $"{percent.Value(e.Low)} to {percent.Value(e.High)}",
                $"{e.N}",
                before > 0 ? percent.Value(e.Value / before) : "–"
            );
        }

        return Report.Picture.Html(Figure(), table.ToString());
    }

    public string Figure()
    {
        var svg = new Svg().Text(Left, 18, Title, "title");
        var apart = (Width - Left - 36 - Column) / Stages.Count;
        double Y(double share) => Height - Bottom - (share * (Height - Top - Bottom));
        svg.Rect(Left, Y(1), Column, Y(0) - Y(1), $"bar {Css}", $"all: n = {Stages[0].Share.N}")
            .Text(Left, Y(1) - 6, "100 %", "label")
            .Text(Left, Height - Bottom + 16, "all", "tick");
        var before = 1.0;
        for (var i = 0; i < Stages.Count; i++)
        {
            var (name, e, href) = Stages[i];
            var (from, x) = (Left + (i * apart) + Column, Left + ((i + 1) * apart));
            svg.Path([(from, Y(before)), (x, Y(e.Value)), (x, Y(0)), (from, Y(0))], $"flow {Css}", closed: true);
            svg.Rect(x, Y(e.Value), Column, Math.Max(1, Y(0) - Y(e.Value)), $"bar {Css}", $"{name}: {Axis.Fraction("").Value(e.Value)} (n = {e.N})", href);
            svg.Text(x + (Column / 2), Y(e.Value) - 6, Axis.Fraction("").Value(e.Value), "label", "middle");
            var words = name.Split(' ');
            var half = (words.Length + 1) / 2;
            svg.Text(x + (Column / 2), Height - Bottom + 16, string.Join(' ', words[..half]), "tick", "middle")
                .Text(x + (Column / 2), Height - Bottom + 30, string.Join(' ', words[half..]), "tick", "middle");
            before = e.Value;
        }

        return Svg.Figure(Width, Height, Title, "Share of all responses at each stage: " + string.Join(", ", Stages.Select(s => s.Name)), svg.ToString());
    }
}
