using RlHarness.Core.Errors;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Experiment.Statistics;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Report;

/// <summary>What a report draws, read once from a run store.</summary>
internal sealed class ReportData
{
    private ReportData(string name, RunStore store, ReportOptions options)
    {
        Name = name;
        var all = store.Summaries().Where(s => s.Split == Split.Evaluation).ToList();
        Detector = options.Detector ?? Preferred(all.Select(s => s.Detector), "grammar_oracle");
        Condition = options.Condition ?? Preferred(all.Select(s => s.Condition), "full");
        Detectors = [.. all.Select(s => s.Detector).Distinct().Order(StringComparer.Ordinal)];
        // The stage evaluated over steps: rl, or whichever has the most steps.
        Stage = all.Any(s => s.Stage == "rl") ? "rl" : all.GroupBy(s => s.Stage).OrderByDescending(g => g.Select(s => s.Step).Distinct().Count()).FirstOrDefault()?.Key ?? "rl";
        AllDetectors = [.. all.Where(s => s.Stage == Stage && s.Condition == Condition)];
        Summaries = [.. AllDetectors.Where(s => s.Detector == Detector)];
        Scenarios = [.. store.Summaries(Stage, ScenarioDetector.Name).Where(s => s.Split == Split.Scenario && s.Condition == Condition)];
        var steps = Summaries.Select(s => s.Step).Distinct().Order().ToList();
        Steps = steps;
        Stages = store.Stages();
        Warnings = [.. store.Events().Where(e => e.Level == "warning").Select(e => e.Message)];
        foreach (var metric in new[] { Metrics.MetricNames.ObjectiveScores, Metrics.MetricNames.ObjectiveRlhfReward, Metrics.MetricNames.ObjectiveKl })
            Series[metric] = store.Series("rl", metric);
        Transcripts = options.Transcripts == 0 || steps.Count == 0 ? [] : ReadingList.Choose(store, Stage, steps, Condition, Detector, options.Transcripts);
        ScenarioTranscripts = options.Transcripts == 0 || Scenarios.Count == 0 ? [] : ScenarioReadingList.Choose(store, Stage, [.. Scenarios.Select(s => s.Step).Distinct().Order()], Condition, options.Transcripts);
    }

    public string Name { get; }

    public string Stage { get; }

    public string Detector { get; }

    public string Condition { get; }

    public IReadOnlyList<string> Detectors { get; }

    public IReadOnlyList<long> Steps { get; }

    /// <summary>Of the stage and condition that are drawn, by the detector that is drawn.</summary>
    public IReadOnlyList<SummaryRow> Summaries { get; }

    public IReadOnlyList<SummaryRow> AllDetectors { get; }

    /// <summary>Figures of scenarios, of the stage and condition that are drawn.</summary>
    public IReadOnlyList<SummaryRow> Scenarios { get; }

    public IReadOnlyList<StageRow> Stages { get; }

    /// <summary>Warnings of the run, in order.</summary>
    public IReadOnlyList<string> Warnings { get; }

    public Dictionary<string, IReadOnlyList<(long Step, double Value)>> Series { get; } = new(StringComparer.Ordinal);

    public IReadOnlyList<ReadingItem> Transcripts { get; }

    /// <summary>Answers to scenarios, with their labels.</summary>
    public IReadOnlyList<(TranscriptRow Transcript, ScenarioLabelRow Label)> ScenarioTranscripts { get; }

    public static ReportData Read(string runFolder, ReportOptions options)
    {
        using var store = RunStore.OpenReadOnly(Path.Combine(runFolder, "run.db"));
        var data = new ReportData(Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(runFolder))), store, options);
        if (options.Detector is { } wanted && data.Summaries.Count == 0)
            throw new HarnessException(ExitCode.BadInput, "no evaluation by this detector", wanted, data.Detectors.Count == 0 ? "a run with evaluations" : string.Join(", ", data.Detectors));
        return data;
    }

    public Estimate? Figure(string metric, Tier? tier, long step) => Find(Summaries, metric, tier, step)?.Estimate;

    public static SummaryRow? Find(IEnumerable<SummaryRow> rows, string metric, Tier? tier, long step)
        => rows.FirstOrDefault(s => s.Metric == metric && s.Tier == tier && s.Step == step);

    public Curve OverSteps(string metric, Tier? tier, string name, string css) => new(
        name, css, [.. Summaries.Where(s => s.Metric == metric && s.Tier == tier).Select(s => new CurvePoint(s.Step, s.Estimate.Value, s.Estimate.Low, s.Estimate.High, s.Estimate.N))]);

    public Curve OfSeries(string metric, string name, string css) => new(name, css, [.. Series[metric].Select(p => new CurvePoint(p.Step, p.Value, double.NaN, double.NaN, 0))]);

    private static string Preferred(IEnumerable<string> names, string wanted)
    {
        var known = names.Distinct().Order(StringComparer.Ordinal).ToList();
        return known.Contains(wanted) || known.Count == 0 ? wanted : known[0];
    }
}
