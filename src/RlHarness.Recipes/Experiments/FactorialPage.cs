using System.Globalization;
using System.Text;
using RlHarness.Tracking.Report;

namespace RlHarness.Recipes.Experiments;

/// <summary>report.html of a design: cells, effects, and where each run is. One file that loads nothing.</summary>
internal static class FactorialPage
{
    private const string OverSeeds = "the seed (t test over seeds; the claim that holds for another training run)";
    private const string OverResponses = "the response (all seeds pooled; holds for these models alone)";

    /// <param name="folder">The design's folder, where the page goes.</param>
    public static string Of(FactorialAnalysis a, string folder)
    {
        var body = new StringBuilder();
        body.Append(
            CultureInfo.InvariantCulture,
            $"<h1>{PlainPage.Escape(a.Name)}</h1>\n<p "
                + $"class=\"note\">{string.Join(" × ", a.Factors.Select(FactorText))}; "
                + $"seeds {string.Join(", ", a.Seeds)}; labels by {PlainPage.Escape(a.Cells.FirstOrDefault()?.Detector)}. Before and after "
                + $"{a.Cells.Select(c => c.Steps).DefaultIfEmpty().Max()} RL steps.</p>\n"
        );
        body.Append("<h2>Cells</h2>\n<p class=\"note\">Mean over seeds, in percent (gap in points), with the smallest and the largest seed.</p>\n")
            .Append(Cells(a));
        body.Append(
            VariantPictures.Html([
                .. a
                    .Cells.OrderBy(c => c.Cell)
                    .Select(c => new VariantRun(Short(a, c), c.Seed, Path.Combine(folder, Path.GetFileName(c.Run)), c.Detector))
                    .Where(r => File.Exists(Path.Combine(r.Folder, "run.db"))),
            ])
        );
        body.Append("<h2>Effects</h2>\n")
            .Append(
                CultureInfo.InvariantCulture,
                $"<p class=\"note\">Differences of rates in points; an interaction is a difference of differences. {PlainPage.Escape(a.Correction)}.</p>\n"
            );
        foreach (var unit in a.Effects.GroupBy(e => e.Unit))
            body.Append(CultureInfo.InvariantCulture, $"<h3>Unit: " + $"{(unit.Key == "seed" ? OverSeeds : OverResponses)}</h3>\n").Append(Effects(unit));
        body.Append("<h2>Runs</h2>\n<ul>\n")
            .AppendJoin(
                '\n',
                a.Cells.Select(c =>
                    $"<li><a href=\"{PlainPage.Escape(Path.GetFileName(c.Run))}/report.html\">{PlainPage.Escape(Path.GetFileName(c.Run))}</a>: "
                    + $"{PlainPage.Escape(FactorialFigures.Line(c))}</li>"
                )
            )
            .Append("\n</ul>\n");
        return PlainPage.Of(a.Name, body.ToString());
    }

    /// <summary>A cell's levels in few letters: +objective for a factor that is present, −objective where it is absent, else factor=level.</summary>
    private static string Short(FactorialAnalysis a, FactorialFigures cell) =>
        string.Join(
            ' ',
            cell.Name.Split('_')
                .Zip(a.Factors, (part, f) => part[(f.Name.Length + 1)..] switch
                    {
                        "present" => "+" + f.Name,
                        "absent" => "−" + f.Name,
                        var level => $"{f.Name}={level}",
                    })
        );

    private static string Cells(FactorialAnalysis a)
    {
        var html = new StringBuilder("<div class=\"scroll\"><table>\n<thead><tr>")
            .AppendJoin("", a.Factors.Select(f => $"<th>{PlainPage.Escape(f.Name)}</th>"))
            .AppendJoin("", FactorialFigures.Kinds.SelectMany(k => new[] { "before", "after" }.Select(w => $"<th class=\"number\">{k.Meaning}, {w}</th>")))
            .Append("</tr></thead>\n<tbody>\n");
        foreach (var cell in a.Cells.GroupBy(c => c.Cell).OrderBy(g => g.Key))
        {
            html.Append("<tr>")
                .AppendJoin("", cell.First().Name.Split('_').Select((l, i) => $"<td>{PlainPage.Escape(l[(a.Factors[i].Name.Length + 1)..])}</td>"));
            foreach (var figure in FactorialFigures.Kinds.SelectMany(k => new[] { $"{k.Name}/before", $"{k.Name}/after" }))
            {
                var values = cell.Where(c => c.Values.ContainsKey(figure)).Select(c => 100 * c.Values[figure].Value).ToArray();
                html.Append("<td class=\"number\">")
                    .Append(
                        values.Length == 0
                            ? "–"
                            : string.Create(
                                CultureInfo.InvariantCulture,
                                $"{values.Average():f1} <span class=\"interval\">({values.Min():f1} to {values.Max():f1})</span>"
                            )
                    )
                    .Append("</td>");
            }

            html.Append("</tr>\n");
        }

        return html.Append("</tbody>\n</table></div>\n").ToString();
    }

    private static string Effects(IEnumerable<FactorialEffect> effects)
    {
        var html = new StringBuilder(
            "<div class=\"scroll\"><table>\n<thead><tr><th>figure</th><th>effect of</th><th class=\"number\">points [95 %]</th><th "
                + "class=\"number\">p</th><th class=\"number\">p, adjusted</th><th class=\"number\">n</th></tr></thead>\n<tbody>\n"
        );
        foreach (var e in effects)
            html.Append(
                CultureInfo.InvariantCulture,
                $"<tr><td>{e.Figure}</td><td>{PlainPage.Escape(e.Effect)}</td><td class=\"number\">{100 * e.Value:f1} <span "
                    + $"class=\"interval\">[{Text(100 * e.Low)}, {Text(100 * e.High)}]</span></td><td class=\"number\">{P(e.P)}</td><td "
                    + $"class=\"number\">{P(e.Adjusted)}</td><td class=\"number\">{e.N}</td></tr>\n"
            );
        return html.Append("</tbody>\n</table></div>\n").ToString();
    }

    private static string Text(double x) => double.IsNaN(x) ? "–" : x.ToString("f1", CultureInfo.InvariantCulture);

    private static string P(double p) =>
        double.IsNaN(p) ? "–"
        : p < 0.001 ? "&lt; 0.001"
        : p.ToString("f3", CultureInfo.InvariantCulture);

    private static string FactorText(FactorSettings factor) =>
        $"{PlainPage.Escape(factor.Name)} ({string.Join(", ", factor.Levels.Select(level => PlainPage.Escape(level.Name)))})";
}
