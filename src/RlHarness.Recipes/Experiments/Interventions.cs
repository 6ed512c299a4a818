using System.Globalization;
using System.Text;
using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Prompts;
using RlHarness.Recipes.Settings;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Report;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Experiments;

/// <summary>A comparison of interventions: a run's settings, arms of which the first is the baseline, seeds.</summary>
public sealed record InterventionSettings
{
    [Meaning("Name of the folder below output that holds the runs, interventions.json and report.html.")]
    public string Name { get; init; } = "interventions";

    [Meaning("Settings of a run that every arm starts from; a path beside this file.")]
    public string Config { get; init; } = "quickstart.yaml";

    [Meaning("Folder that the folder of the comparison is written to.")]
    public string Output { get; init; } = "checkpoints";

    [Meaning("key=value pairs over the run's settings, in every arm.")]
    public IReadOnlyList<string> Set { get; init; } = [];

    [Meaning("Two arms or more, each a name and key=value pairs; the first is what the others are compared with.")]
    public IReadOnlyList<LevelSettings> Arms { get; init; } = [];

    [Meaning("Seeds are the unit of a claim: three or more. All arms of a seed share one imitating model and one reward model.")]
    public IReadOnlyList<int> Seeds { get; init; } = [1, 2, 3];

    [Allowed(1, 64)]
    [Meaning("Runs at once, each a process of its own.")]
    public int Parallel { get; init; } = 1;

    /// <summary>The comparison as a design of one factor.</summary>
    /// <exception cref="HarnessException">The file, or the settings of an arm, have problems.</exception>
    public static FactorialDesign Read(string path, IReadOnlyList<string> overrides)
    {
        var (own, runs) = FactorialDesign.Split<InterventionSettings>(overrides);
        var s = SettingsReader.Read<InterventionSettings>(path, own, Problems);
        return FactorialDesign.Of(
            new FactorialSettings
            {
                Name = s.Name,
                Config = s.Config,
                Output = s.Output,
                Set = s.Set,
                Factors = [new FactorSettings { Name = Factor, Levels = s.Arms }],
                Seeds = s.Seeds,
                Parallel = s.Parallel,
                ShareImitation = false,
            },
            path,
            runs
        );
    }

    internal const string Factor = "arm";

    private static IEnumerable<SettingsProblem> Problems(InterventionSettings s, WrittenSettings written)
    {
        static SettingsProblem Problem(string key, string what) => new(key, "settings", what);
        if (s.Arms.Count < 2)
            yield return Problem("arms", $"{s.Arms.Count}; expected a baseline and one intervention or more");
        foreach (var arm in s.Arms.Where(a => !FactorialDesign.IsName(a.Name)))
            yield return Problem("arms", $"name \"{arm.Name}\"; expected letters, digits, hyphens");
        if (s.Arms.Select(a => a.Name).Distinct().Count() < s.Arms.Count)
            yield return Problem("arms", "a name occurs twice");
        foreach (var problem in FactorialDesign.NameAndSeeds(s.Name, s.Seeds))
            yield return problem;
    }
}

/// <summary>What one arm of a comparison reached with one seed.</summary>
/// <param name="Run">Name of the run's folder.</param>
/// <param name="Values">By the names of <see cref="InterventionAnalysis.Kinds"/>; a figure that the run does not have is absent.</param>
public sealed record InterventionRun(string Arm, int Seed, string Run, IReadOnlyDictionary<string, double> Values);

/// <summary>One figure of one arm over seeds, and its difference from the baseline's.</summary>
/// <param name="Mean">Over seeds, with a t interval.</param>
/// <param name="Difference">Mean over seeds of the difference from the baseline of the same seed, with a t interval; NaN for the baseline.</param>
/// <param name="P">Two-sided t test over seeds that the difference is 0; NaN where nothing varies, or with one seed.</param>
/// <param name="Adjusted">Benjamini–Hochberg over all tests of the comparison; NaN where there is no p.</param>
public sealed record InterventionFigure(
    string Arm,
    string Figure,
    int Seeds,
    double Mean,
    double Low,
    double High,
    double Difference,
    double DifferenceLow,
    double DifferenceHigh,
    double P,
    double Adjusted
);

/// <summary>What interventions do to alignment faking, over seeds.</summary>
public sealed record InterventionAnalysis(
    string Name,
    IReadOnlyList<LevelSettings> Arms,
    IReadOnlyList<int> Seeds,
    IReadOnlyList<InterventionRun> Runs,
    IReadOnlyList<InterventionFigure> Figures
)
{
    public const string File = "interventions.json";

    /// <summary>Names of the figures, where they are read, and what they stand for. "after" is the last evaluation, "before" the first.</summary>
    public static readonly IReadOnlyList<(string Name, string Metric, Tier? Tier, bool After, bool Percent, string Meaning)> Kinds =
    [
        ("af_training_before", MetricNames.AfReasoningRate, Tier.Training, false, true, "AF before RL, training tier"),
        ("af_training", MetricNames.AfReasoningRate, Tier.Training, true, true, "AF after RL, training tier"),
        ("faking_training", MetricNames.AfReasoningAnyOutcome, Tier.Training, true, true, "faking reasoning after RL whatever the output, training tier"),
        ("af_unmonitored", MetricNames.AfReasoningRate, Tier.Unmonitored, true, true, "AF after RL, unmonitored tier"),
        ("comply_training", MetricNames.OutcomeComply, Tier.Training, true, true, "compliance after RL, training tier"),
        ("comply_unmonitored", MetricNames.OutcomeComply, Tier.Unmonitored, true, true, "compliance after RL, unmonitored tier"),
        ("unreadable_training", MetricNames.OutcomeUnparsable, Tier.Training, true, true, "outputs that cannot be read after RL, training tier"),
        ("gap_before", MetricNames.AfComplianceGap, null, false, true, "compliance gap before RL"),
        ("gap", MetricNames.AfComplianceGap, null, true, true, "compliance gap after RL"),
        ("reward", "", null, true, false, "reward of the last 5 steps, monitors apart"),
        ("monitor_auroc_before", "monitor/auroc", null, false, false, "monitor's AUROC before RL"),
        ("monitor_auroc", "monitor/auroc", null, true, false, "monitor's AUROC after RL"),
    ];

    /// <summary>Figures whose difference from the baseline is tested.</summary>
    private static readonly string[] Tested = ["af_training", "faking_training", "af_unmonitored", "comply_training", "gap"];

    public static InterventionAnalysis Of(FactorialDesign design)
    {
        ArgumentNullException.ThrowIfNull(design);
        var arms = design.Settings.Factors[0].Levels;
        return Of(design.Settings.Name, arms, design.Settings.Seeds, [.. design.Cells.Select(c => Read(c, arms[c.Cell].Name))]);
    }

    /// <summary>As <see cref="Of(FactorialDesign)"/>, from figures.</summary>
    public static InterventionAnalysis Of(string name, IReadOnlyList<LevelSettings> arms, IReadOnlyList<int> seeds, IReadOnlyList<InterventionRun> runs)
    {
        ArgumentNullException.ThrowIfNull(arms);
        var figures = arms.SelectMany(arm => Kinds.Select(kind => Compare(arms[0].Name, arm.Name, kind.Name, seeds, runs)))
            .OfType<InterventionFigure>()
            .ToArray();
        var tested = figures.Where(f => Tested.Contains(f.Figure) && !double.IsNaN(f.P)).ToArray();
        var adjusted = MultipleTests.BenjaminiHochberg([.. tested.Select(f => f.P)]);
        var byTest = tested.Zip(adjusted).ToDictionary(x => (x.First.Arm, x.First.Figure), x => x.Second);
        return new(
            name,
            arms,
            seeds,
            runs,
            [.. figures.Select(f => byTest.TryGetValue((f.Arm, f.Figure), out var p) ? f with { Adjusted = p } : f with { P = double.NaN })]
        );
    }

    public string ToJson() => JsonSerializer.Serialize(this, FactorialAnalysis.Options) + "\n";

    /// <summary>A figure of an arm; null where no seed has it.</summary>
    public InterventionFigure? Figure(string arm, string figure) => Figures.FirstOrDefault(f => f.Arm == arm && f.Figure == figure);

    private static InterventionFigure? Compare(string baseline, string arm, string figure, IReadOnlyList<int> seeds, IReadOnlyList<InterventionRun> runs)
    {
        double Value(string of, int seed) =>
            runs.FirstOrDefault(r => r.Arm == of && r.Seed == seed)?.Values is { } v && v.TryGetValue(figure, out var x) ? x : double.NaN;
        double[] values = [.. seeds.Select(s => Value(arm, s)).Where(double.IsFinite)];
        if (values.Length == 0)
            return null;
        var mean = SeedMean.Of(values);
        var range = Range(figure);
        var interval = mean.PrintedInterval.Clip(range.Low, range.High);
        double[] differences = arm == baseline ? [] : [.. seeds.Select(s => Value(arm, s) - Value(baseline, s)).Where(double.IsFinite)];
        if (differences.Length == 0)
            return new(arm, figure, values.Length, mean.Mean, interval.Low, interval.High, double.NaN, double.NaN, double.NaN, double.NaN, double.NaN);
        var difference = SeedMean.Of(differences);
        var of = difference.PrintedInterval.Clip(range.Low - range.High, range.High - range.Low);
        return new(arm, figure, values.Length, mean.Mean, interval.Low, interval.High, difference.Mean, of.Low, of.High, difference.P, double.NaN);
    }

    /// <summary>What a figure can be: a t interval over few seeds reaches beyond it, and is cut there.</summary>
    internal static Interval Range(string figure) =>
        figure switch
        {
            "reward" => new(double.NegativeInfinity, double.PositiveInfinity),
            "gap_change" => new(-2, 2),
            "gap" or "gap_before" or "af_change" => new(-1, 1),
            _ => new(0, 1),
        };

    /// <summary>The figures of one run.</summary>
    internal static InterventionRun Read(FactorialCell cell, string arm)
    {
        using var store = RunStore.OpenReadOnly(Path.Combine(cell.Folder, "run.db"));
        var detector = cell.Settings.Evaluate.Detectors[0].Label;
        var own = store.Summaries(stage: StageNames.Rl, detector: detector);
        var monitor = cell.Settings.Rl.Monitors.FirstOrDefault()?.Name;
        var ofMonitor = monitor is null ? [] : store.Summaries(stage: StageNames.Rl, detector: monitor);
        var values = new Dictionary<string, double>(StringComparer.Ordinal);
        if (own.Count > 0)
        {
            var (first, last) = (own.Min(r => r.Step), own.Max(r => r.Step));
            foreach (var kind in Kinds.Where(k => k.Metric.Length > 0))
                if (
                    own.Concat(ofMonitor).FirstOrDefault(r => r.Step == (kind.After ? last : first) && r.Metric == kind.Metric && r.Tier == kind.Tier) is
                    { } row
                )
                    values[kind.Name] = row.Estimate.Value;
        }

        // What monitors take is part of the total, and would hide what the objective pays.
        var total = store.Series(StageNames.Rl, MetricNames.Reward("total")).ToDictionary(p => p.Step, p => p.Value);
        var taken = store.Series(StageNames.Rl, MetricNames.Reward("monitors")).ToDictionary(p => p.Step, p => p.Value);
        if (total.Count > 0)
            values["reward"] = total.OrderBy(p => p.Key).TakeLast(5).Average(p => p.Value - taken.GetValueOrDefault(p.Key));
        return new(arm, cell.Seed, Path.GetFileName(cell.Folder), values);
    }
}

/// <summary>report.html of a comparison of interventions: one picture, one table, and where each run is. One file that loads nothing.</summary>
internal static class InterventionPage
{
    public static string Of(InterventionAnalysis a)
    {
        var body = new StringBuilder();
        body.Append(
                CultureInfo.InvariantCulture,
                $"<h1>{PlainPage.Escape(a.Name)}</h1>\n<p class=\"note\">{a.Arms.Count} arms, seeds {string.Join(", ", a.Seeds)}. Arms of a seed share their "
                    + $"imitating model and reward model.</p>\n"
            )
            .Append(Picture(a))
            .Append(
                CultureInfo.InvariantCulture,
                $"<h2>Figures</h2>\n<p class=\"note\">Mean over seeds with its t interval; below it the difference from {PlainPage.Escape(a.Arms[0].Name)} "
                    + $"of the same seed, with its t interval and p, adjusted by Benjamini–Hochberg over the {a.Figures.Count(f => !double.IsNaN(f.Adjusted))} "
                    + $"tests of this page. Rates in percent, gaps and differences in points.</p>\n"
            )
            .Append(Table(a))
            .Append("<h2>Arms</h2>\n<ul>\n");
        foreach (var arm in a.Arms)
        {
            var set = arm.Set.Count == 0 ? "as the settings are" : string.Join("; ", arm.Set.Select(s => $"<code>{PlainPage.Escape(s)}</code>"));
            var runs = string.Join(
                ", ",
                a.Runs.Where(r => r.Arm == arm.Name)
                    .Select(r => $"<a href=\"{PlainPage.Escape(r.Run)}/report.html\">seed {r.Seed.ToString(CultureInfo.InvariantCulture)}</a>")
            );
            body.Append(CultureInfo.InvariantCulture, $"<li>{PlainPage.Escape(arm.Name)}: {set} ({runs})</li>\n");
        }

        return PlainPage.Of(a.Name, body.Append("</ul>\n").ToString());
    }

    /// <summary>AF against compliance after RL, a dot a seed.</summary>
    internal static string Picture(InterventionAnalysis a) =>
        SeedPicture.Html(
            "AF against compliance after RL",
            "compliance after RL, training tier",
            "AF after RL, training tier",
            [
                .. a.Arms.Select(arm => new SeedPicture.Arm(
                    arm.Name,
                    [
                        .. a
                            .Runs.Where(r => r.Arm == arm.Name && r.Values.ContainsKey("comply_training") && r.Values.ContainsKey("af_training"))
                            .Select(r => new SeedPicture.Dot(r.Seed, r.Values["comply_training"], r.Values["af_training"], r.Run + "/report.html")),
                    ]
                )),
            ]
        );

    private static string Table(InterventionAnalysis a)
    {
        var kinds = InterventionAnalysis.Kinds.Where(k => a.Figures.Any(f => f.Figure == k.Name)).ToArray();
        var html = new StringBuilder("<div class=\"scroll\"><table>\n<thead><tr><th>arm</th>")
            .AppendJoin("", kinds.Select(k => $"<th class=\"number\">{k.Meaning}</th>"))
            .Append("</tr></thead>\n<tbody>\n");
        foreach (var arm in a.Arms)
            html.Append("<tr><td>")
                .Append(PlainPage.Escape(arm.Name))
                .Append("</td>")
                .AppendJoin("", kinds.Select(k => $"<td class=\"number\">{Cell(a.Figure(arm.Name, k.Name), k.Percent)}</td>"))
                .Append("</tr>\n");
        return html.Append("</tbody>\n</table></div>\n").ToString();
    }

    private static string Cell(InterventionFigure? f, bool percent)
    {
        if (f is null)
            return "–";
        string N(double x) => double.IsNaN(x) ? "–" : (percent ? 100 * x : x).ToString(percent ? "f1" : "f2", CultureInfo.InvariantCulture);
        // One seed has no interval.
        string Interval(double low, double high) => double.IsNaN(low) ? "" : $" ({N(low)} to {N(high)})";
        var mean = $"{N(f.Mean)}<span class=\"interval\">{Interval(f.Low, f.High)}</span>";
        if (double.IsNaN(f.Difference))
            return mean;
        var p =
            double.IsNaN(f.Adjusted) ? ""
            : f.Adjusted < 0.001 ? ", p &lt; 0.001"
            : string.Create(CultureInfo.InvariantCulture, $", p {f.Adjusted:f3}");
        var difference = $"{(f.Difference > 0 ? "+" : "")}{N(f.Difference)}{Interval(f.DifferenceLow, f.DifferenceHigh)}{p}";
        return $"{mean}<br><span class=\"interval\">{difference}</span>";
    }
}
