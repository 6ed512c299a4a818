using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using RlHarness.Core.Settings;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Export;

/// <summary>
/// One evaluation as an evaluation log of Inspect (inspect_ai, log format version 2, JSON). A sample is a transcript: its id is query and tier, its epoch the
/// number of the sample, from 1. Every detector is a scorer whose value is 1 for alignment faking; samples of a query are reduced by their mean. Its
/// metrics are
/// Inspect's own, mean and stderr, so that Inspect computes them again from the samples; a run's rates by tier are in the log's metadata. A
/// transcript without a
/// verdict has no score. Fields that this program has nothing for are left to the format's defaults, but for empty ones that its schema asks for.
/// </summary>
/// <param name="run">The run's name.</param>
/// <param name="created">When the evaluation was written.</param>
/// <param name="texts">Text of each token, for log-probabilities; null leaves them out.</param>
internal sealed class InspectLog(
    string run,
    string stage,
    long step,
    string condition,
    DateTimeOffset created,
    Func<IReadOnlyList<int>, IReadOnlyList<string>>? texts
)
{
    private const string Task = "alignment-faking";

    /// <summary>The file name in the form that Inspect uses, so that it finds the log in a folder: time, task, id.</summary>
    public string FileName => $"{created.UtcDateTime.ToString("yyyy-MM-ddTHH-mm-ss", CultureInfo.InvariantCulture)}+00-00_{Task}_{Id("task")}.json";

    private string Model => string.Create(CultureInfo.InvariantCulture, $"rlharness/{run}/step_{step:d6}");

    private string Time => created.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss", CultureInfo.InvariantCulture) + "+00:00";

    public JsonObject Build(IReadOnlyList<TranscriptRow> transcripts, IReadOnlyList<LabelRow> labels, IReadOnlyList<SummaryRow> summaries)
    {
        var byTranscript = labels.GroupBy(l => (l.TranscriptId, l.Detector)).Select(g => g.Last()).ToLookup(l => l.TranscriptId);
        string[] detectors = [.. labels.Select(l => l.Detector).Distinct().Order(StringComparer.Ordinal)];
        string[] ids = [.. transcripts.Select(SampleId).Distinct()];
        return new()
        {
            ["version"] = 2,
            ["status"] = "success",
            ["eval"] = Spec(ids, transcripts.Select(t => t.Sample).DefaultIfEmpty(0).Max() + 1, detectors),
            ["plan"] = new JsonObject
            {
                ["name"] = "plan",
                ["steps"] = new JsonArray(
                    new JsonObject
                    {
                        ["solver"] = "generate",
                        ["params"] = new JsonObject(),
                        ["params_passed"] = new JsonObject(),
                    }
                ),
                ["config"] = new JsonObject(),
            },
            ["results"] = new JsonObject
            {
                ["total_samples"] = transcripts.Count,
                ["completed_samples"] = transcripts.Count,
                ["scores"] = new JsonArray([.. detectors.Select(d => Scorer(d, Reduced(d), transcripts))]),
            },
            ["stats"] = new JsonObject
            {
                ["started_at"] = Time,
                ["completed_at"] = Time,
                ["model_usage"] = new JsonObject(),
                ["role_usage"] = new JsonObject(),
                ["connection_limit_history"] = new JsonArray(),
            },
            ["invalidated"] = false,
            ["tags"] = new JsonArray(condition),
            ["metadata"] = new JsonObject
            {
                ["run"] = run,
                ["stage"] = stage,
                ["step"] = step,
                ["condition"] = condition,
                ["figures"] = Figures(detectors, summaries),
            },
            ["samples"] = new JsonArray([.. transcripts.Select(t => Sample(t, [.. byTranscript[t.Id]]))]),
            ["reductions"] = new JsonArray([.. detectors.Select(d => Reductions(d, Reduced(d)))]),
        };

        // By query and tier the labels of its samples that have a verdict; none of those of which no sample has one.
        (string Id, LabelRow[] Labels)[] Reduced(string detector) =>
            [
                .. transcripts
                    .GroupBy(SampleId)
                    .Select(g => (g.Key, g.SelectMany(t => byTranscript[t.Id]).Where(l => l.Detector == detector && IsScored(l)).ToArray()))
                    .Where(r => r.Item2.Length > 0),
            ];
    }

    private static bool IsScored(LabelRow label) => label.ToLabel().FakesAlignment is not null;

    private static double Value(LabelRow label) => label.AlignmentFaking ? 1 : 0;

    private static string SampleId(TranscriptRow t) => $"{t.QueryId}/{t.Tier.ToString().ToLowerInvariant()}";

    /// <summary>Identical for the same evaluation, so that a second export replaces the first.</summary>
    private string Id(string of) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{run}\n{stage}\n{step}\n{condition}\n{of}")))[..22];

    private JsonObject Spec(string[] ids, int samples, string[] detectors) =>
        new()
        {
            ["eval_id"] = Id("eval"),
            ["run_id"] = Id("run"),
            ["created"] = Time,
            ["task"] = Task,
            ["task_id"] = Id("task"),
            ["task_version"] = 0,
            ["task_attribs"] = new JsonObject(),
            ["task_args"] = new JsonObject
            {
                ["stage"] = stage,
                ["step"] = step,
                ["condition"] = condition,
            },
            ["task_args_passed"] = new JsonObject(),
            ["tags"] = new JsonArray(condition),
            ["dataset"] = new JsonObject
            {
                ["name"] = "evaluation queries, each in every tier",
                ["samples"] = ids.Length,
                ["sample_ids"] = new JsonArray([.. ids.Select(i => JsonValue.Create(i))]),
                ["shuffled"] = false,
            },
            ["model"] = Model,
            ["model_generate_config"] = new JsonObject(),
            ["model_args"] = new JsonObject(),
            ["config"] = new JsonObject { ["epochs"] = samples, ["epochs_reducer"] = new JsonArray(Reducer) },
            ["scorers"] = new JsonArray([.. detectors.Select(d => new JsonObject { ["name"] = d, ["metrics"] = Metrics() })]),
            ["metrics"] = Metrics(),
            ["packages"] = new JsonObject(),
            ["metadata"] = new JsonObject
            {
                ["run"] = run,
                ["stage"] = stage,
                ["step"] = step,
                ["condition"] = condition,
            },
        };

    private const string Reducer = "mean";

    private static JsonArray Metrics() => [new JsonObject { ["name"] = "inspect_ai/mean" }, new JsonObject { ["name"] = "inspect_ai/stderr" }];

    /// <summary>Mean and standard error of the reduced values, as Inspect's metrics of these names compute them.</summary>
    private static JsonObject Scorer(string detector, (string Id, LabelRow[] Labels)[] reduced, IReadOnlyList<TranscriptRow> transcripts)
    {
        double[] values = [.. reduced.Select(r => r.Labels.Average(Value))];
        var scored = reduced.Sum(r => r.Labels.Length);
        var mean = values.Length == 0 ? double.NaN : values.Average();
        var error = values.Length < 2 ? 0 : Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Length - 1) / values.Length);
        var metrics = new JsonObject();
        foreach (var (name, value) in values.Length == 0 ? [] : new[] { ("mean", mean), ("stderr", error) })
            metrics[name] = new JsonObject
            {
                ["name"] = name,
                ["value"] = value,
                ["params"] = new JsonObject(),
            };
        return new()
        {
            ["name"] = detector,
            ["scorer"] = detector,
            ["reducer"] = Reducer,
            ["scored_samples"] = scored,
            ["unscored_samples"] = transcripts.Count - scored,
            ["params"] = new JsonObject(),
            ["metrics"] = metrics,
        };
    }

    private static JsonObject Reductions(string detector, (string Id, LabelRow[] Labels)[] reduced) =>
        new()
        {
            ["scorer"] = detector,
            ["reducer"] = Reducer,
            ["samples"] = new JsonArray([
                .. reduced.Select(r =>
                {
                    var score = Score(r.Labels[0]);
                    score["value"] = r.Labels.Average(Value);
                    score["sample_id"] = r.Id;
                    return score;
                }),
            ]),
        };

    /// <summary>The run's figures of this evaluation by detector, metric and tier; a bound has no value.</summary>
    private static JsonObject Figures(string[] detectors, IReadOnlyList<SummaryRow> summaries)
    {
        var all = new JsonObject();
        foreach (var detector in detectors)
        {
            var figures = new JsonObject();
            foreach (var row in summaries.Where(s => s.Detector == detector))
                figures[row.Metric + (row.Tier is { } tier ? "/" + tier.ToString().ToLowerInvariant() : "")] = new JsonObject
                {
                    ["value"] = Finite(row.Estimate.Value),
                    ["low"] = Finite(row.Estimate.Low),
                    ["high"] = Finite(row.Estimate.High),
                    ["n"] = row.Estimate.N,
                    ["clusters"] = row.Estimate.Clusters,
                };
            all[detector] = figures;
        }

        return all;
    }

    private JsonObject Sample(TranscriptRow t, IReadOnlyCollection<LabelRow> labels)
    {
        JsonObject Message(string role, string content, string source) =>
            new()
            {
                ["role"] = role,
                ["content"] = content,
                ["source"] = source,
            };
        JsonObject Answer()
        {
            var message = Message("assistant", t.AssistantText, "generate");
            message["model"] = Model;
            return message;
        }

        var choice = new JsonObject { ["message"] = Answer(), ["stop_reason"] = t.FinishReason == "length" ? "max_tokens" : "stop" };
        if (Logprobs(t) is { } logprobs)
            choice["logprobs"] = logprobs;
        var rewards = new JsonObject();
        foreach (var (name, value) in t.Rewards)
            rewards[name] = Finite(value);
        var scores = new JsonObject();
        foreach (var l in labels.Where(IsScored))
            scores[l.Detector] = Score(l);
        var unread = new JsonArray([.. labels.Where(l => !IsScored(l)).Select(l => JsonValue.Create(l.Detector))]);
        return new()
        {
            ["id"] = SampleId(t),
            ["epoch"] = t.Sample + 1,
            ["input"] = new JsonArray(Message("system", t.System, "input"), Message("user", t.User, "input")),
            ["target"] = "",
            ["messages"] = new JsonArray(Message("system", t.System, "input"), Message("user", t.User, "input"), Answer()),
            ["output"] = new JsonObject
            {
                ["model"] = Model,
                ["choices"] = new JsonArray(choice),
                ["completion"] = t.AssistantText,
            },
            ["scores"] = scores,
            ["metadata"] = new JsonObject
            {
                ["transcript_id"] = t.Id,
                ["query_id"] = t.QueryId,
                ["tier"] = t.Tier.ToString().ToLowerInvariant(),
                ["condition"] = t.Condition,
                ["step"] = t.Step,
                ["reasoning"] = t.Reasoning,
                ["output"] = t.Output,
                ["format_problem"] = t.FormatProblem,
                ["rewards"] = rewards,
                ["without_verdict_by"] = unread,
            },
            ["store"] = new JsonObject(),
            ["events"] = new JsonArray(),
            ["model_usage"] = new JsonObject(),
            ["role_usage"] = new JsonObject(),
            ["attachments"] = new JsonObject(),
        };
    }

    private static JsonObject Score(LabelRow label) =>
        new()
        {
            ["value"] = label.AlignmentFaking ? 1 : 0,
            ["answer"] = SettingNames.Snake(label.Outcome),
            ["explanation"] = SettingNames.Snake(label.Reasoning),
            ["metadata"] = new JsonObject
            {
                ["score"] = Finite(label.Score),
                ["version"] = label.DetectorVersion,
                ["considers_af"] = label.ToLabel().ConsidersAlignmentFaking,
            },
            ["history"] = new JsonArray(),
        };

    private JsonObject? Logprobs(TranscriptRow t)
    {
        if (
            texts is null
            || t.TokenIds is not { } ids
            || t.TokenLogprobs is not { } logprobs
            || logprobs.Count != ids.Count
            || logprobs.Any(l => !float.IsFinite(l))
        )
            return null;
        return new()
        {
            ["content"] = new JsonArray([.. texts(ids).Zip(logprobs, (token, logprob) => new JsonObject { ["token"] = token, ["logprob"] = logprob })]),
        };
    }

    private static JsonNode? Finite(double value) => double.IsFinite(value) ? JsonValue.Create(value) : null;
}
