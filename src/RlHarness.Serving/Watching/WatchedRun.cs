using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Prompts;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Report;
using RlHarness.Tracking.Store;

namespace RlHarness.Serving.Watching;

/// <summary>
/// A run that is looked at: its store is opened once, for reading, and stays open, since opening and closing beside a writer is what makes locks collide. What
/// it shows is computed once for each commit, however many look.
/// </summary>
internal sealed class WatchedRun(string folder, TimeProvider time) : IDisposable
{
    /// <summary>Steps whose time says how long the next ones take.</summary>
    private const int Recent = 10;

    private readonly Lock _gate = new();
    private RunStore? _store;
    private (long Version, JsonObject State, string Pictures)? _shown;

    public string Name => RunFolder.NameOf(folder);

    public static bool IsRun(string folder) => File.Exists(Path.Combine(folder, "run.db"));

    /// <exception cref="HarnessException">The store can't be read.</exception>
    public RunStore Store
    {
        get
        {
            lock (_gate)
                return _store ??= RunStore.OpenReadOnly(Path.Combine(folder, "run.db"));
        }
    }

    /// <summary>Number that is another after each commit.</summary>
    public long Version => Store.DataVersion;

    /// <summary>Stages, step, time left, alarms and newest figures as JSON, and the report's charts as HTML.</summary>
    public (long Version, JsonObject State, string Pictures) Show()
    {
        lock (_gate)
        {
            var version = Version;
            if (_shown is { } shown && shown.Version == version)
                return shown;
            return (_shown = (version, State(), ReportBuilder.LivePictures(folder, Store))).Value;
        }
    }

    public void Dispose() => _store?.Dispose();

    private JsonObject State()
    {
        var stages = Store.Stages();
        var running = stages.LastOrDefault(s => s.Status == "running");
        var current = running ?? stages.LastOrDefault();
        var step = current is null ? null : Store.LastStep(current.Stage);
        var events = Store.Events().Where(e => e.Level == "warning").ToArray();
        var newest = current is not null && step is { } at ? Store.Metrics(current.Stage, at) : [];
        var (steps, left) = current is null ? (null, null) : Ahead(current.Stage, step, running is not null);
        return new JsonObject
        {
            ["name"] = Name,
            ["stages"] = new JsonArray([
                .. stages.Select(s => new JsonObject
                {
                    ["stage"] = s.Stage,
                    ["status"] = s.Status,
                    ["started"] = s.Started.ToString("O", CultureInfo.InvariantCulture),
                    ["ended"] = s.Ended?.ToString("O", CultureInfo.InvariantCulture),
                    ["detail"] = s.Detail,
                }),
            ]),
            ["stage"] = current?.Stage,
            ["status"] = current?.Status,
            ["step"] = step,
            ["steps"] = steps,
            ["seconds_left"] = left,
            ["updated"] = newest.Count > 0 ? newest[0].Time.ToString("O", CultureInfo.InvariantCulture) : null,
            ["alarms"] = Texts(events.Where(e => IsAlarm(e.Message))),
            ["warnings"] = Texts(events.Where(e => !IsAlarm(e.Message)).TakeLast(20)),
            ["figures"] = Figures(newest),
            ["rates"] = Rates(),
            ["detectors"] = new JsonArray([.. Store.SummaryDetectors().Select(d => (JsonNode)d)]),
        };
    }

    private static bool IsAlarm(string message) => message.Contains("(alarms.", StringComparison.Ordinal);

    private static JsonArray Texts(IEnumerable<EventRow> events) => new([.. events.Select(e => (JsonNode)$"{e.Stage}, {e.Message}")]);

    /// <summary>JSON has no NaN: a figure that is not finite is null.</summary>
    private static JsonNode? Finite(double value) => double.IsFinite(value) ? (JsonNode)value : null;

    private static JsonObject Figures(IReadOnlyList<MetricRow> newest)
    {
        var figures = new JsonObject();
        foreach (
            var name in new[]
            {
                MetricNames.ObjectiveScores,
                MetricNames.ObjectiveKl,
                MetricNames.PolicyEntropy,
                MetricNames.ResponseLengthMean,
                MetricNames.LossImitation,
                MetricNames.LossRewardModel,
                MetricNames.LearningRate,
            }
        )
            if (newest.FirstOrDefault(m => m.Name == name) is { } metric)
                figures[name] = Finite(metric.Value);
        return figures;
    }

    /// <summary>AF rate and compliance of each tier at the newest evaluation, by the detector that the charts are of.</summary>
    private JsonArray Rates()
    {
        var rates = new JsonArray();
        foreach (var metric in new[] { MetricNames.AfReasoningRate, MetricNames.OutcomeComply })
        {
            SummaryRow[] rows = [.. Store.Summaries(metric: metric).Where(s => s.Split == Split.Evaluation && s.Tier is not null)];
            var detector = rows.Any(r => r.Detector == "grammar_oracle") ? "grammar_oracle" : rows.FirstOrDefault()?.Detector;
            foreach (var tier in rows.Where(r => r.Detector == detector).GroupBy(r => r.Tier!.Value).OrderBy(g => g.Key))
            {
                var row = tier.MaxBy(r => (r.Stage == "rl", r.Step))!;
                rates.Add(
                    (JsonNode)
                        new JsonObject
                        {
                            ["metric"] = metric,
                            ["tier"] = SettingNames.Snake(tier.Key),
                            ["step"] = row.Step,
                            ["value"] = Finite(row.Estimate.Value),
                            ["lo"] = Finite(row.Estimate.Low),
                            ["hi"] = Finite(row.Estimate.High),
                            ["n"] = row.Estimate.N,
                        }
                );
            }
        }

        return rates;
    }

    /// <summary>How many steps the stage has, and how many seconds are left of it; null where that can't be told.</summary>
    private (int? Steps, double? Left) Ahead(string stage, long? step, bool isRunning)
    {
        if (stage != "rl" || step is not { } at)
            return (null, null);
        int total;
        try
        {
            total = SettingsReader.Read<RunSettings>(Path.Combine(folder, "config.yaml"), [], (_, _) => []).Rl.Steps;
        }
        catch (HarnessException)
        {
            return (null, null);
        }

        var steps = Store.StepsOf(stage).TakeLast(Recent + 1).ToArray();
        if (!isRunning || steps.Length < 2)
            return (total, null);
        var (first, last) = (Store.Metrics(stage, steps[0])[0].Time, Store.Metrics(stage, steps[^1])[0].Time);
        var each = (last - first).TotalSeconds / (steps[^1] - steps[0]);
        return (total, Math.Max(0, ((total - at) * each) - (time.GetUtcNow() - last).TotalSeconds));
    }

    /// <summary>The newest figures in Prometheus' text format, without the lines that describe them.</summary>
    public void Prometheus(StringBuilder text)
    {
        foreach (var stage in Store.Stages())
        {
            var run = $"run=\"{Label(Name)}\",stage=\"{Label(stage.Stage)}\"";
            text.Append(CultureInfo.InvariantCulture, $"rlharness_stage_running{{{run}}} {(stage.Status == "running" ? 1 : 0)}\n");
            if (Store.LastStep(stage.Stage) is not { } step)
                continue;
            text.Append(CultureInfo.InvariantCulture, $"rlharness_step{{{run}}} {step}\n");
            foreach (var metric in Store.Metrics(stage.Stage, step))
            {
                var value =
                    double.IsNaN(metric.Value) ? "NaN"
                    : double.IsInfinity(metric.Value)
                        ? metric.Value > 0 ? "+Inf"
                            : "-Inf"
                    : metric.Value.ToString("R", CultureInfo.InvariantCulture);
                text.Append(CultureInfo.InvariantCulture, $"rlharness_metric{{{run},name=\"{Label(metric.Name)}\"}} {value}\n");
            }
        }

        text.Append(CultureInfo.InvariantCulture, $"rlharness_warnings{{run=\"{Label(Name)}\"}} {Store.Events().Count(e => e.Level == "warning")}\n");
    }

    private static string Label(string text) =>
        text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
