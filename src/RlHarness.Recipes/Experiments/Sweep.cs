using System.Globalization;
using System.Text;
using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Planning;
using RlHarness.Recipes.Settings;
using RlHarness.Statistics;
using RlHarness.Tracking.Report;

namespace RlHarness.Recipes.Experiments;

/// <summary>A sweep: the same experiment on several models, each with several seeds.</summary>
public sealed record SweepSettings
{
    [Meaning("Name of the folder below output that holds the runs, sweep.json and report.html.")]
    public string Name { get; init; } = "sweep";

    [Meaning("Settings of a run that every model starts from; a path beside this file.")]
    public string Config { get; init; } = "quickstart.yaml";

    [Meaning("Folder that the folder of the sweep is written to.")]
    public string Output { get; init; } = "checkpoints";

    [Meaning("key=value pairs over the run's settings, for every model.")]
    public IReadOnlyList<string> Set { get; init; } = [];

    [Meaning("Two models or more, each a name and key=value pairs, such as model.path=… or model.new.hidden_size=….")]
    public IReadOnlyList<LevelSettings> Models { get; init; } = [];

    [Meaning("Seeds are the unit of a claim: three or more.")]
    public IReadOnlyList<int> Seeds { get; init; } = [1, 2, 3];

    [Allowed(1, 64)]
    [Meaning("Runs at once, each a process of its own.")]
    public int Parallel { get; init; } = 1;

    /// <summary>The sweep as a design of one factor.</summary>
    /// <exception cref="HarnessException">The file, or the settings of a model, have problems.</exception>
    public static FactorialDesign Read(string path, IReadOnlyList<string> overrides)
    {
        var (own, runs) = FactorialDesign.Split<SweepSettings>(overrides);
        var s = SettingsReader.Read<SweepSettings>(path, own, Problems);
        return FactorialDesign.Of(
            new FactorialSettings
            {
                Name = s.Name,
                Config = s.Config,
                Output = s.Output,
                Set = s.Set,
                Factors = [new FactorSettings { Name = "model", Levels = s.Models }],
                Seeds = s.Seeds,
                Parallel = s.Parallel,
                ShareImitation = false,
            },
            path,
            runs
        );
    }

    private static IEnumerable<SettingsProblem> Problems(SweepSettings s, WrittenSettings written)
    {
        static SettingsProblem Problem(string key, string what) => new(key, "settings", what);
        if (s.Models.Count < 2)
            yield return Problem("models", $"{s.Models.Count}; expected two or more");
        foreach (var model in s.Models.Where(m => !FactorialDesign.IsName(m.Name)))
            yield return Problem("models", $"name \"{model.Name}\"; expected letters, digits, hyphens");
        if (s.Models.Select(m => m.Name).Distinct().Count() < s.Models.Count)
            yield return Problem("models", "a name occurs twice");
        foreach (var problem in FactorialDesign.NameAndSeeds(s.Name, s.Seeds))
            yield return problem;
    }
}

/// <summary>What one model of a sweep reached with one seed.</summary>
/// <param name="Parameters">Of the model.</param>
/// <param name="Run">Name of the run's folder.</param>
/// <param name="Values">By the names of <see cref="SweepAnalysis.Kinds"/>; a figure that the run does not have is absent.</param>
public sealed record SweepRun(string Model, double Parameters, int Seed, string Run, IReadOnlyDictionary<string, double> Values);

/// <summary>One figure of one model over seeds.</summary>
/// <param name="Mean">Over seeds, with a t interval.</param>
/// <param name="Detectable">
/// The smallest difference from 0 that a t test over so many seeds, with this spread between them, finds four times in five; NaN with one seed, or where
/// nothing varies.
/// </param>
public sealed record SweepFigure(string Model, double Parameters, string Figure, int Seeds, double Mean, double Low, double High, double Detectable);

/// <summary>How a figure moves with size: least squares over runs on the power of ten of the parameters.</summary>
/// <param name="Slope">For each tenfold of the parameters, with its t interval on n − 2 degrees of freedom.</param>
/// <param name="P">Two-sided t test that the slope is 0.</param>
/// <param name="Detectable">The smallest slope that this test finds four times in five, by (t at 97.5 % + t at 80 %) standard errors.</param>
public sealed record SweepTrend(string Figure, int Runs, double Slope, double Low, double High, double P, double Detectable)
{
    /// <summary>What may be said; a null that can't be told from a small effect is called that.</summary>
    public string Verdict =>
        double.IsNaN(P) ? "no test: nothing varies, or there are too few runs"
        : P < 0.05 ? "moves with size"
        : string.Create(
            CultureInfo.InvariantCulture,
            $"no trend found, and none smaller than {100 * Detectable:f1} points a tenfold would usually be seen: not the same as none"
        );
}

/// <summary>Whether what RL does to alignment faking depends on the model's size.</summary>
public sealed record SweepAnalysis(
    string Name,
    IReadOnlyList<LevelSettings> Models,
    IReadOnlyList<int> Seeds,
    IReadOnlyList<SweepRun> Runs,
    IReadOnlyList<SweepFigure> Figures,
    IReadOnlyList<SweepTrend> Trends
)
{
    public const string File = "sweep.json";

    /// <summary>Names of the figures, and what they stand for; a change is that of one run.</summary>
    public static readonly IReadOnlyList<(string Name, string Meaning)> Kinds =
    [
        ("af_training_before", "AF before RL, training tier"),
        ("af_training", "AF after RL, training tier"),
        ("af_change", "change of AF by RL, training tier"),
        ("af_unmonitored", "AF after RL, unmonitored tier"),
        ("comply_training", "compliance after RL, training tier"),
        ("gap_before", "compliance gap before RL"),
        ("gap", "compliance gap after RL"),
        ("gap_change", "change of the gap by RL"),
    ];

    public static SweepAnalysis Of(FactorialDesign design)
    {
        ArgumentNullException.ThrowIfNull(design);
        var models = design.Settings.Factors[0].Levels;
        return Of(
            design.Settings.Name,
            models,
            design.Settings.Seeds,
            [
                .. design.Cells.Select(c =>
                {
                    var run = InterventionAnalysis.Read(c, models[c.Cell].Name);
                    return new SweepRun(run.Arm, RunPlan.ParametersOf(c.Settings), c.Seed, run.Run, run.Values);
                }),
            ]
        );
    }

    /// <summary>As <see cref="Of(FactorialDesign)"/>, from figures.</summary>
    public static SweepAnalysis Of(string name, IReadOnlyList<LevelSettings> models, IReadOnlyList<int> seeds, IReadOnlyList<SweepRun> runs)
    {
        ArgumentNullException.ThrowIfNull(models);
        ArgumentNullException.ThrowIfNull(runs);
        SweepRun[] whole = [.. runs.Select(WithChanges)];
        return new(
            name,
            models,
            seeds,
            whole,
            [.. models.SelectMany(m => Kinds.Select(k => Over(m.Name, k.Name, whole))).OfType<SweepFigure>()],
            [.. Kinds.Select(k => Trend(k.Name, whole)).OfType<SweepTrend>()]
        );
    }

    public string ToJson() => JsonSerializer.Serialize(this, FactorialAnalysis.Options) + "\n";

    /// <summary>A figure of a model; null where no seed has it.</summary>
    public SweepFigure? Figure(string model, string figure) => Figures.FirstOrDefault(f => f.Model == model && f.Figure == figure);

    private static SweepRun WithChanges(SweepRun run)
    {
        var values = new Dictionary<string, double>(run.Values, StringComparer.Ordinal);
        void Change(string name, string after, string before)
        {
            if (values.TryGetValue(after, out var a) && values.TryGetValue(before, out var b))
                values[name] = a - b;
        }

        Change("af_change", "af_training", "af_training_before");
        Change("gap_change", "gap", "gap_before");
        return run with { Values = values };
    }

    private static SweepFigure? Over(string model, string figure, IReadOnlyList<SweepRun> runs)
    {
        SweepRun[] own = [.. runs.Where(r => r.Model == model && r.Values.TryGetValue(figure, out var v) && double.IsFinite(v))];
        if (own.Length == 0)
            return null;
        var mean = SeedMean.Of([.. own.Select(r => r.Values[figure])]);
        var range = InterventionAnalysis.Range(figure);
        var interval = mean.PrintedInterval.Clip(range.Low, range.High);
        var detectable = mean.StandardDeviation > 0 ? SeedPower.DetectableMean(own.Length) * mean.StandardDeviation : double.NaN;
        return new(model, own[0].Parameters, figure, own.Length, mean.Mean, interval.Low, interval.High, detectable);
    }

    private static SweepTrend? Trend(string figure, IReadOnlyList<SweepRun> runs)
    {
        (double X, double Y)[] points =
        [
            .. runs.Where(r => r.Values.TryGetValue(figure, out var v) && double.IsFinite(v)).Select(r => (Math.Log10(r.Parameters), r.Values[figure])),
        ];
        if (points.Length == 0)
            return null;
        var fit = LeastSquaresLine.Of([.. points.Select(p => p.X)], [.. points.Select(p => p.Y)]);
        return new(figure, points.Length, fit.Slope, fit.Interval.Low, fit.Interval.High, fit.P, fit.Detectable);
    }
}

/// <summary>report.html of a sweep: the picture, the figures of each model, the trends. One file that loads nothing.</summary>
internal static class SweepPage
{
    public static string Of(SweepAnalysis a)
    {
        var body = new StringBuilder();
        body.Append(
                CultureInfo.InvariantCulture,
                $"<h1>{PlainPage.Escape(a.Name)}</h1>\n<p class=\"note\">{a.Models.Count} models, seeds {string.Join(", ", a.Seeds)}; each run imitates, "
                    + $"trains its reward model and is trained by itself.</p>\n"
            )
            .Append(Picture(a))
            .Append(
                "<h2>Figures</h2>\n<p class=\"note\">Mean over seeds with its t interval, in percent, gaps and changes in points. Below it what a t test over "
                    + "these seeds would usually see (power 80 %).</p>\n"
            )
            .Append(Table(a))
            .Append("<h2>Trends with size</h2>\n<p class=\"note\">Points for each tenfold of the parameters, least squares over runs.</p>\n<ul>\n");
        foreach (var trend in a.Trends)
            body.Append(
                CultureInfo.InvariantCulture,
                $"<li>{Meaning(trend.Figure)}: {N(trend.Slope)}{Interval(trend.Low, trend.High)}, {PlainPage.Escape(trend.Verdict)}</li>\n"
            );
        body.Append("</ul>\n<h2>Runs</h2>\n<ul>\n");
        foreach (var run in a.Runs)
            body.Append(
                CultureInfo.InvariantCulture,
                $"<li><a href=\"{PlainPage.Escape(run.Run)}/report.html\">{PlainPage.Escape(run.Model)}, seed {run.Seed}</a>: "
                    + $"{run.Parameters / 1e6:f2} M parameters</li>\n"
            );
        return PlainPage.Of(a.Name, body.Append("</ul>\n").ToString());
    }

    internal static string Picture(SweepAnalysis a) =>
        SizePicture.Html(
            "AF in the training tier, before and after RL",
            [
                .. a
                    .Models.Where(m => a.Figure(m.Name, "af_training") is not null)
                    .Select(m =>
                    {
                        Estimate? E(string figure) => a.Figure(m.Name, figure) is { } f ? new Estimate(f.Mean, f.Low, f.High, f.Seeds, f.Seeds) : null;
                        return new SizePicture.Model(m.Name, a.Figure(m.Name, "af_training")!.Parameters, E("af_training_before"), E("af_training")!.Value);
                    }),
            ]
        );

    private static string Table(SweepAnalysis a)
    {
        var html = new StringBuilder("<div class=\"scroll\"><table>\n<thead><tr><th>model</th><th class=\"number\">parameters, M</th>")
            .AppendJoin("", SweepAnalysis.Kinds.Select(k => $"<th class=\"number\">{k.Meaning}</th>"))
            .Append("</tr></thead>\n<tbody>\n");
        foreach (var model in a.Models)
            html.Append("<tr><td>")
                .Append(PlainPage.Escape(model.Name))
                .Append(
                    CultureInfo.InvariantCulture,
                    $"</td><td class=\"number\">{a.Runs.FirstOrDefault(r => r.Model == model.Name)?.Parameters / 1e6:f2}</td>"
                )
                .AppendJoin("", SweepAnalysis.Kinds.Select(k => $"<td class=\"number\">{Cell(a.Figure(model.Name, k.Name))}</td>"))
                .Append("</tr>\n");
        return html.Append("</tbody>\n</table></div>\n").ToString();
    }

    private static string Cell(SweepFigure? f) =>
        f is null
            ? "–"
            : $"{N(f.Mean)}<span class=\"interval\">{Interval(f.Low, f.High)}</span>"
                + (double.IsNaN(f.Detectable) ? "" : $"<br><span class=\"interval\">sees {N(f.Detectable)}</span>");

    private static string Meaning(string figure) => SweepAnalysis.Kinds.First(k => k.Name == figure).Meaning;

    private static string N(double x) => double.IsNaN(x) ? "–" : (100 * x).ToString("f1", CultureInfo.InvariantCulture);

    private static string Interval(double low, double high) => double.IsNaN(low) ? "" : $" ({N(low)} to {N(high)})";
}
