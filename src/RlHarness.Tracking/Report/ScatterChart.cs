using System.Globalization;
using RlHarness.Statistics;

namespace RlHarness.Tracking.Report;

/// <summary>Two figures against each other, before and after: a hollow dot, an arrow, a filled dot, with intervals both ways.</summary>
internal sealed record ScatterChart(string Title, string XLabel, string YLabel, IReadOnlyList<ScatterChart.Pair> Pairs, double Width = 940, double Height = 480)
{
    /// <param name="Letter">What stands beside it, as in the list of names.</param>
    internal sealed record Pair(string Letter, string Name, string Css, (Estimate X, Estimate Y) Before, (Estimate X, Estimate Y)? After, string? Href = null);

    public string Figure()
    {
        var ends = Pairs.SelectMany(p => new[] { p.Before }.Concat(p.After is { } a ? [a] : [])).ToArray();
        Axis Axis(string name, Func<(Estimate X, Estimate Y), Estimate> of) =>
            Report.Axis.Around(name, [.. ends.Select(of).SelectMany(e => new[] { e.Value, e.Low, e.High }).Where(double.IsFinite)], percent: true);
        var frame = new PlotFrame(Axis(XLabel, e => e.X), Axis(YLabel, e => e.Y), Width, Height, 64, 62, 24);
        var svg = new Svg().Text(16, 18, Title, "title");
        svg.Circle(22, 36, 4, "dot hollow faint", "before")
            .Text(32, 40, "before RL", "label")
            .Circle(112, 36, 4, "dot faint", "after")
            .Text(122, 40, "after RL; lines are 95 % intervals", "label");
        frame.Draw(svg);
        foreach (var pair in Pairs)
        {
            Cross(svg, frame, pair.Before, pair.Css);
            if (pair.After is { } after)
                Cross(svg, frame, after, pair.Css);
        }

        foreach (var pair in Pairs.Where(p => p.After is not null))
            Arrow(svg, frame, pair.Before, pair.After!.Value);
        foreach (var pair in Pairs)
        {
            svg.Circle(
                frame.X(pair.Before.X.Value),
                frame.Y(pair.Before.Y.Value),
                4,
                $"dot hollow {pair.Css}",
                Words(frame, pair, pair.Before, "before"),
                pair.Href
            );
            if (pair.After is { } after)
                svg.Circle(frame.X(after.X.Value), frame.Y(after.Y.Value), 5, $"dot {pair.Css}", Words(frame, pair, after, "after"), pair.Href);
        }

        foreach (var (letter, x, y) in Labels(frame))
            svg.Text(x, y, letter, "head", "middle");
        return Svg.Figure(Width, Height, Title, $"{YLabel} against {XLabel}, before and after RL", svg.ToString(), wide: true);
    }

    /// <summary>Letters beside the last dot of each pair; one that would cover a dot or another letter goes to the next place around it.</summary>
    internal IReadOnlyList<(string Letter, double X, double Y)> Labels(PlotFrame frame)
    {
        var taken = Pairs
            .SelectMany(p => new[] { p.Before }.Concat(p.After is { } a ? [a] : []))
            .Select(e => (X: frame.X(e.X.Value), Y: frame.Y(e.Y.Value)))
            .ToList();
        // The arrows' middles too.
        taken.AddRange(
            Pairs
                .Where(p => p.After is not null)
                .SelectMany(p =>
                    new[] { 0.25, 0.5, 0.75 }.Select(t =>
                        (
                            frame.X(p.Before.X.Value + (t * (p.After!.Value.X.Value - p.Before.X.Value))),
                            frame.Y(p.Before.Y.Value + (t * (p.After.Value.Y.Value - p.Before.Y.Value)))
                        )
                    )
                )
        );
        var labels = new List<(string, double, double)>();
        foreach (var pair in Pairs)
        {
            var end = pair.After ?? pair.Before;
            var (x, y) = (frame.X(end.X.Value), frame.Y(end.Y.Value));
            var places =
                from ring in new[] { 15.0, 29, 43 }
                from turn in Enumerable.Range(0, 12)
                select (X: x + (ring * Math.Cos(turn * Math.PI / 6)), Y: y - (ring * Math.Sin(turn * Math.PI / 6)));
            var place = places.FirstOrDefault(
                p =>
                    p.X > frame.Left + 6
                    && p.X < Width - 8
                    && p.Y > frame.Top + 6
                    && p.Y < Height - frame.Bottom - 4
                    && taken.All(t => Math.Abs(t.X - p.X) > 11 || Math.Abs(t.Y - p.Y) > 12),
                (X: x + 15, Y: y)
            );
            taken.Add(place);
            labels.Add((pair.Letter, place.X, place.Y + 4));
        }

        return labels;
    }

    private static void Cross(Svg svg, PlotFrame frame, (Estimate X, Estimate Y) e, string css)
    {
        frame.Whisker(svg, e.X.Value, Math.Max(e.Y.Low, frame.Up.Min), Math.Min(e.Y.High, frame.Up.Max), css);
        if (double.IsFinite(e.X.Low))
            svg.Line(
                frame.X(Math.Max(e.X.Low, frame.Across.Min)),
                frame.Y(e.Y.Value),
                frame.X(Math.Min(e.X.High, frame.Across.Max)),
                frame.Y(e.Y.Value),
                $"whisker {css}"
            );
    }

    private static void Arrow(Svg svg, PlotFrame frame, (Estimate X, Estimate Y) from, (Estimate X, Estimate Y) to)
    {
        var (x1, y1, x2, y2) = (frame.X(from.X.Value), frame.Y(from.Y.Value), frame.X(to.X.Value), frame.Y(to.Y.Value));
        var length = Math.Sqrt(((x2 - x1) * (x2 - x1)) + ((y2 - y1) * (y2 - y1)));
        // Too near for an arrow between two dots.
        if (length < 16)
            return;
        var (dx, dy) = ((x2 - x1) / length, (y2 - y1) / length);
        var (tipX, tipY) = (x2 - (6 * dx), y2 - (6 * dy));
        svg.Line(x1 + (5 * dx), y1 + (5 * dy), tipX - (6 * dx), tipY - (6 * dy), "arrow");
        svg.Path(
            [(tipX, tipY), (tipX - (8 * dx) + (4 * dy), tipY - (8 * dy) - (4 * dx)), (tipX - (8 * dx) - (4 * dy), tipY - (8 * dy) + (4 * dx))],
            "arrow tip",
            closed: true
        );
    }

    private static string Words(PlotFrame frame, Pair pair, (Estimate X, Estimate Y) e, string when) =>
        $"{pair.Letter} {pair.Name}, {when}: {frame.Across.Name} {frame.Across.Value(e.X.Value)}, {frame.Up.Name} {frame.Up.Value(e.Y.Value)}";
}

/// <summary>Two rates against each other, a dot for each seed of each arm of a comparison.</summary>
public static class SeedPicture
{
    /// <param name="Seed">The seed.</param>
    /// <param name="X">A rate, 0 to 1.</param>
    /// <param name="Y">A rate, 0 to 1.</param>
    /// <param name="Href">Where a click leads.</param>
    public sealed record Dot(int Seed, double X, double Y, string Href);

    /// <param name="Name">What the arm does.</param>
    /// <param name="Dots">One for each seed.</param>
    public sealed record Arm(string Name, IReadOnlyList<Dot> Dots);

    /// <summary>The figure, with a letter at each dot and the letters' names below. The first arm is hollow.</summary>
    public static string Html(string title, string xLabel, string yLabel, IReadOnlyList<Arm> arms)
    {
        ArgumentNullException.ThrowIfNull(arms);
        const double width = 940;
        const double height = 460;
        var frame = new PlotFrame(Axis.Around(xLabel, [0, 1], percent: true), Axis.Around(yLabel, [0, 1], percent: true), width, height, 64, 62, 24);
        var svg = new Svg().Text(16, 18, $"{title}: a dot a seed, a letter an arm", "title");
        frame.Draw(svg);
        for (var i = 0; i < arms.Count; i++)
            foreach (var dot in arms[i].Dots)
                svg.Circle(
                    frame.X(dot.X),
                    frame.Y(dot.Y),
                    i == 0 ? 6 : 4,
                    i == 0 ? "dot hollow ink" : $"dot {ReportStyle.Series[(i - 1) % ReportStyle.Series.Count]}",
                    string.Create(CultureInfo.InvariantCulture, $"{arms[i].Name}, seed {dot.Seed}: {xLabel} {100 * dot.X:f1} %, {yLabel} {100 * dot.Y:f1} %"),
                    dot.Href
                );
        foreach (var (letters, x, y) in Places(frame, arms))
        {
            // At the right edge there is room on the left alone.
            var right = x + 12 + (9 * letters.Length) < width;
            svg.Text(right ? x + 9 : x - 9, y - 5, letters, "label", right ? "start" : "end");
        }

        return Svg.Figure(width, height, title, $"{yLabel} against {xLabel}, one dot for each seed of each arm", svg.ToString(), wide: true)
            + $"<p class=\"note\">{string.Join("; ", arms.Select((arm, i) => $"{Letter(i)} {PlainPage.Escape(arm.Name)}"))}.</p>\n";
    }

    private static string Letter(int arm) => ((char)('A' + (arm % 26))).ToString();

    /// <summary>Where letters stand: those of dots that lie nearer than letters are wide stand together, once each, at the first of them.</summary>
    internal static IReadOnlyList<(string Letters, double X, double Y)> Places(PlotFrame frame, IReadOnlyList<Arm> arms)
    {
        var places = new List<(string Letters, double X, double Y)>();
        foreach (var (letter, x, y) in arms.SelectMany((arm, i) => arm.Dots.Select(dot => (Letter(i), frame.X(dot.X), frame.Y(dot.Y)))))
        {
            var near = places.FindIndex(p => Math.Abs(p.X - x) < 14 && Math.Abs(p.Y - y) < 14);
            if (near < 0)
                places.Add((letter, x, y));
            else if (!places[near].Letters.Contains(letter, StringComparison.Ordinal))
                places[near] = places[near] with { Letters = places[near].Letters + letter };
        }

        return places;
    }
}

/// <summary>A rate against the size of models, before and after RL, with intervals over seeds.</summary>
public static class SizePicture
{
    /// <param name="Name">Of the model.</param>
    /// <param name="Parameters">Of the model.</param>
    /// <param name="Before">Rate before RL; null: none.</param>
    /// <param name="After">Rate after RL.</param>
    public sealed record Model(string Name, double Parameters, Estimate? Before, Estimate After);

    /// <summary>The figure, with each model's name at its dot.</summary>
    public static string Html(string title, IReadOnlyList<Model> models)
    {
        ArgumentNullException.ThrowIfNull(models);
        const double width = 940;
        const double height = 420;
        if (models.Count == 0)
            return "";
        double[] sizes = [.. models.Select(m => Math.Log10(m.Parameters))];
        var frame = new PlotFrame(
            Axis.Around("parameters, as a power of ten", [sizes.Min() - 0.2, sizes.Max() + 0.2], percent: false),
            Axis.Around("rate", [0, 1], percent: true),
            width,
            height,
            64,
            62,
            24
        );
        var svg = new Svg().Text(16, 18, title, "title");
        svg.Circle(22, 36, 4, "dot hollow faint", "before")
            .Text(32, 40, "before RL", "label")
            .Circle(112, 36, 4, "dot faint", "after")
            .Text(122, 40, "after RL; mean over seeds, lines are 95 % intervals over seeds", "label");
        frame.Draw(svg);
        for (var i = 0; i < models.Count; i++)
        {
            var (model, x) = (models[i], sizes[i]);
            string Words(Estimate e, string when) =>
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{model.Name}, {when} RL: {100 * e.Value:f1} % ({100 * e.Low:f1} to {100 * e.High:f1}), {e.N} seeds"
                );
            void Dot(Estimate e, string when, string css, double shift)
            {
                if (double.IsFinite(e.Low) && double.IsFinite(e.High))
                    frame.Whisker(svg, x + shift, Math.Max(0, e.Low), Math.Min(1, e.High), "ink");
                svg.Circle(frame.X(x + shift), frame.Y(e.Value), 5, css, Words(e, when));
            }

            if (model.Before is { } before)
                Dot(before, "before", "dot hollow ink", -0.015);
            Dot(model.After, "after", "dot ink", 0.015);
            svg.Text(frame.X(x) + 10, frame.Y(model.After.Value) + 4, model.Name, "label");
        }

        return Svg.Figure(width, height, title, $"{title}, against the number of parameters", svg.ToString(), wide: true);
    }
}
