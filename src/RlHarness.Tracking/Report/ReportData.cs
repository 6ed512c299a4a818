using System.Collections.Immutable;
using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Report;

/// <summary>What a report draws, read once from a run store.</summary>
internal sealed class ReportData
{
    private ReportData(string folder, RunStore store, ReportOptions options)
    {
        Folder = folder;
        SummaryRow[] all = [.. store.Summaries().Where(s => s.Split == Split.Evaluation)];
        Evaluated = [.. all.Where(s => s.Stage != DocumentTimeline.Stage)];
        Detector = options.Detector ?? Preferred((Evaluated.Count > 0 ? Evaluated : all).Select(s => s.Detector), "grammar_oracle");
        Documents = DocumentTimeline.Read(store, all, Detector);
        Condition = options.Condition ?? Preferred(Evaluated.Select(s => s.Condition), "full");
        Detectors = [.. Evaluated.Select(s => s.Detector).Distinct().Order(StringComparer.Ordinal)];
        // The stage evaluated over steps: rl, or whichever has the most steps.
        Stage = Evaluated.Any(s => s.Stage == "rl")
            ? "rl"
            : Evaluated.GroupBy(s => s.Stage).OrderByDescending(g => g.Select(s => s.Step).Distinct().Count()).FirstOrDefault()?.Key ?? "rl";
        AllDetectors = [.. Evaluated.Where(s => s.Stage == Stage && s.Condition == Condition)];
        Summaries = [.. AllDetectors.Where(s => s.Detector == Detector)];
        Steps = [.. Summaries.Select(s => s.Step).Distinct().Order()];
        Tiers = [.. new[] { Tier.Training, Tier.Rated, Tier.Unmonitored }.Where(t => t != Tier.Rated || Summaries.Any(s => s.Tier == t))];
        Scenarios = [.. store.Summaries(Stage, ScenarioDetector.Name).Where(s => s.Split == Split.Scenario && s.Condition == Condition)];
        ScenarioSteps = [.. Scenarios.Select(s => s.Step).Distinct().Order()];
        Stages = store.Stages();
        var warnings = store.Events().Where(e => e.Level == "warning").Select(e => e.Message).ToLookup(m => m.Contains("(alarms.", StringComparison.Ordinal));
        (Alarms, Warnings) = ([.. warnings[true]], [.. warnings[false]]);
        foreach (var metric in new[] { MetricNames.ObjectiveScores, MetricNames.ObjectiveRlhfReward, MetricNames.ObjectiveKl })
            Series[metric] = store.Series("rl", metric);
        foreach (var (step, at) in options.FiguresOnly ? [] : Steps.Select((s, i) => (s, i)))
        {
            options.OnProgress?.Invoke(at, Steps.Length);
            var labels = store.Labels(Stage, step).ToLookup(l => l.TranscriptId);
            Evaluations[step] =
            [
                .. store
                    .Transcripts(new TranscriptFilter(Stage, step, Split.Evaluation, Condition: Condition))
                    .Select(t => new TranscriptView(t, [.. labels[t.Id]])),
            ];
            var most = step == Steps[0] || step == Steps[^1] ? options.Transcripts : options.Between;
            if (most == 0)
                continue;
            IEnumerable<TranscriptGroup> groups = TranscriptGroups.Of(Evaluations[step], step, Detector, most);
            TranscriptView[] labelled = [.. Evaluations[step].Where(i => i.Label(Detector) is not null)];
            foreach (var (other, number) in Detectors.Select((d, i) => (d, i)).Where(d => d.d != Detector))
                groups = groups.Concat(
                    TranscriptGroups
                        .Of(labelled, step, other, most)
                        .Where(g => g.Metric == MetricNames.AfReasoningRate)
                        .Select(g => g with { Detector = number })
                );
            foreach (var group in groups)
                Groups[group.Id] = group;
        }

        foreach (var step in options.Transcripts == 0 ? [] : Documents.Steps)
            foreach (
                var group in TranscriptGroups
                    .Of(Documents.Evaluations[step], step, Detector, options.Between)
                    .Select(g => g with { Stage = DocumentTimeline.Stage })
            )
                Groups[group.Id] = group;
        foreach (var (step, _) in options.Transcripts == 0 ? [] : ScenarioEnds())
        {
            var labels = store.ScenarioLabels(Stage, step).ToLookup(l => l.TranscriptId);
            Answers[step] =
            [
                .. store
                    .Transcripts(new TranscriptFilter(Stage, step, Split.Scenario, Condition: Condition))
                    .Select(t => new TranscriptView(t, []) { Scenario = labels[t.Id].LastOrDefault() }),
            ];
            foreach (var group in TranscriptGroups.OfScenarios(Answers[step], step, options.Between))
                Groups[group.Id] = group;
        }

        Probe = ProbeCurves.Read(folder);
    }

    public string Folder { get; }

    public string Name => RunFolder.NameOf(Folder);

    public string Stage { get; }

    public string Detector { get; }

    public string Condition { get; }

    public ImmutableArray<string> Detectors { get; }

    public ImmutableArray<long> Steps { get; }

    /// <summary>Those that were evaluated; without an evaluation, the two that there always are.</summary>
    public ImmutableArray<Tier> Tiers { get; }

    /// <summary>Evaluations while the model was tuned on documents.</summary>
    public DocumentTimeline Documents { get; }

    /// <summary>Summaries of every condition and detector, and of every stage except documents.</summary>
    public IReadOnlyList<SummaryRow> Evaluated { get; }

    /// <summary>Summaries of the stage, condition and detector that the report draws.</summary>
    public IReadOnlyList<SummaryRow> Summaries { get; }

    public IReadOnlyList<SummaryRow> AllDetectors { get; }

    /// <summary>Figures of scenarios, of the stage and condition that are drawn.</summary>
    public IReadOnlyList<SummaryRow> Scenarios { get; }

    public ImmutableArray<long> ScenarioSteps { get; }

    public IReadOnlyList<StageRow> Stages { get; }

    /// <summary>Numbers of the run that went wrong, in order: what `alarms` in its settings says.</summary>
    public IReadOnlyList<string> Alarms { get; }

    /// <summary>Other warnings of the run, in order.</summary>
    public IReadOnlyList<string> Warnings { get; }

    public Dictionary<string, IReadOnlyList<(long Step, double Value)>> Series { get; } = new(StringComparer.Ordinal);

    /// <summary>All evaluation transcripts by step.</summary>
    public Dictionary<long, IReadOnlyList<TranscriptView>> Evaluations { get; } = [];

    /// <summary>Answers to scenarios, of the first evaluation that asked them and of the last one.</summary>
    public Dictionary<long, IReadOnlyList<TranscriptView>> Answers { get; } = [];

    /// <summary>The transcripts behind each number, by their place in the page.</summary>
    public Dictionary<string, TranscriptGroup> Groups { get; } = new(StringComparer.Ordinal);

    /// <summary>What the newest probe of the run measured; null without one.</summary>
    public ProbeCurves? Probe { get; }

    /// <summary>What charts of figures need: no transcript is read, and nothing has a link.</summary>
    public static ReportData Figures(string runFolder, RunStore store) => new(runFolder, store, new ReportOptions { Transcripts = 0, FiguresOnly = true });

    public static ReportData Read(string runFolder, ReportOptions options)
    {
        using var store = RunStore.OpenSnapshot(Path.Combine(runFolder, "run.db"));
        var data = new ReportData(runFolder, store, options);
        if (options.Detector is { } wanted && data.Summaries.Count == 0 && data.Documents.Steps.Length == 0)
            throw new HarnessException(
                ErrorKind.BadInput,
                "no evaluation by this detector",
                wanted,
                data.Detectors.Length == 0 ? "a run with evaluations" : string.Join(", ", data.Detectors)
            );
        return data;
    }

    /// <summary>The first evaluation and the last one, or the only one.</summary>
    public IEnumerable<(long Step, string When)> Ends() => Ends(Steps);

    /// <summary>Transcripts of the evaluations that asked scenarios.</summary>
    public IEnumerable<(long Step, string When)> ScenarioEnds() => Ends(ScenarioSteps);

    public Estimate? Figure(string metric, Tier? tier, long step) => Find(Summaries, metric, tier, step)?.Estimate;

    /// <summary>Where the page shows the transcripts behind a figure; null where it shows none.</summary>
    /// <param name="detector">Null for the one that is drawn.</param>
    /// <param name="stage">Null for the one that is drawn.</param>
    public string? Link(string metric, Tier? tier, long step, string? detector = null, string? stage = null) =>
        TranscriptGroup.Anchor(step, tier, metric, detector is null || detector == Detector ? null : Detectors.IndexOf(detector), stage) is var id
        && Groups.ContainsKey(id)
            ? "#" + id
            : null;

    public static SummaryRow? Find(IEnumerable<SummaryRow> rows, string metric, Tier? tier, long step) =>
        rows.FirstOrDefault(s => s.Metric == metric && s.Tier == tier && s.Step == step);

    public Curve OverSteps(string metric, Tier? tier, string name, string css) =>
        new(name, css, [.. Summaries.Where(s => s.Metric == metric && s.Tier == tier).Select(s => Point(s.Step, s.Estimate, Link(metric, tier, s.Step)))]);

    public Curve OfSeries(string metric, string name, string css) =>
        new(name, css, [.. Series[metric].Select(p => new CurvePoint(p.Step, p.Value, double.NaN, double.NaN, 0))]);

    public static CurvePoint Point(long step, Estimate e, string? href = null) => new(step, e.Value, e.Low, e.High, e.N, href);

    /// <summary>The first and the last of some evaluations, or the only one.</summary>
    internal static IEnumerable<(long Step, string When)> Ends(ImmutableArray<long> steps) =>
        steps.Length switch
        {
            0 => [],
            1 => [(steps[0], $"step {steps[0]}")],
            _ => [(steps[0], "before"), (steps[^1], "after")],
        };

    private static string Preferred(IEnumerable<string> names, string wanted)
    {
        var known = names.Distinct().Order(StringComparer.Ordinal).ToList();
        return known.Contains(wanted) || known.Count == 0 ? wanted : known[0];
    }
}
