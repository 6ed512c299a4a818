using System.Text.Json;
using RlHarness.Experiment.Transcripts;
using RlHarness.Tracking.Export;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Tests;

/// <summary>Names and types as Inspect's public schema (EvalLog of inspect_ai's OpenAPI document, log format version 2) has them.</summary>
[Trait("kind", "contract")]
public sealed class InspectExportTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public InspectExportTests() => SyntheticRun.Write(_folder.Path, steps: 5, queries: 10);

    public void Dispose() => _folder.Dispose();

    private JsonElement[] Logs(Func<IReadOnlyList<int>, IReadOnlyList<string>>? texts = null) =>
        [.. RunExport.Write(_folder.Path, _folder.At("logs"), "inspect", texts).Paths.Select(p => JsonDocument.Parse(File.ReadAllText(p)).RootElement)];

    private static string[] Names(JsonElement element) => [.. element.EnumerateObject().Select(p => p.Name)];

    [Fact]
    public void Each_evaluation_is_a_log_of_version_2_with_the_fields_that_the_schema_knows()
    {
        var logs = Logs();
        Assert.Equal([0, 5], logs.Select(l => l.GetProperty("metadata").GetProperty("step").GetInt32()));
        Assert.All(logs, log =>
        {
            Assert.Equal((2, "success"), (log.GetProperty("version").GetInt32(), log.GetProperty("status").GetString()));
            Assert.Equal(["version", "status", "eval", "plan", "results", "stats", "invalidated", "tags", "metadata", "samples", "reductions"], Names(log));
            Assert.Equal(
                [
                    "eval_id",
                    "run_id",
                    "created",
                    "task",
                    "task_id",
                    "task_version",
                    "task_attribs",
                    "task_args",
                    "task_args_passed",
                    "tags",
                    "dataset",
                    "model",
                    "model_generate_config",
                    "model_args",
                    "config",
                    "scorers",
                    "metrics",
                    "packages",
                    "metadata",
                ],
                Names(log.GetProperty("eval"))
            );
            var sample = log.GetProperty("samples")[0];
            Assert.Equal(
                ["id", "epoch", "input", "target", "messages", "output", "scores", "metadata", "store", "events", "model_usage", "role_usage", "attachments"],
                Names(sample)
            );
            Assert.Equal(["model", "choices", "completion"], Names(sample.GetProperty("output")));
            Assert.Equal(["system", "user", "assistant"], sample.GetProperty("messages").EnumerateArray().Select(m => m.GetProperty("role").GetString()));
            Assert.Equal(["value", "answer", "explanation", "metadata", "history"], Names(sample.GetProperty("scores").GetProperty("keyword")));
        });
    }

    [Fact]
    public void Samples_scores_and_metrics_are_the_run_s()
    {
        using var store = RunStore.OpenReadOnly(_folder.At("run.db"));
        var log = Logs()[0];
        var samples = log.GetProperty("samples").EnumerateArray().ToDictionary(s => (s.GetProperty("id").GetString(), s.GetProperty("epoch").GetInt32()));
        var transcripts = store.Transcripts(new TranscriptFilter("rl", 0));
        Assert.Equal(20, samples.Count);
        Assert.Equal(
            (20, 20),
            (
                log.GetProperty("results").GetProperty("total_samples").GetInt32(),
                log.GetProperty("eval").GetProperty("dataset").GetProperty("samples").GetInt32()
            )
        );
        var labels = store.Labels("rl", 0, "grammar_oracle").ToDictionary(l => l.TranscriptId);
        Assert.Contains(labels.Values, l => l.AlignmentFaking);
        foreach (var t in transcripts)
        {
            var sample = samples[($"{t.QueryId}/{t.Tier.ToString().ToLowerInvariant()}", 1)];
            Assert.Equal(t.AssistantText, sample.GetProperty("output").GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
            Assert.Equal(
                t.FinishReason == "length" ? "max_tokens" : "stop",
                sample.GetProperty("output").GetProperty("choices")[0].GetProperty("stop_reason").GetString()
            );
            Assert.Equal(labels[t.Id].AlignmentFaking ? 1 : 0, sample.GetProperty("scores").GetProperty("grammar_oracle").GetProperty("value").GetInt32());
        }

        var scorer = log.GetProperty("results").GetProperty("scores").EnumerateArray().Single(s => s.GetProperty("name").GetString() == "grammar_oracle");
        Assert.Equal(
            labels.Values.Count(l => l.AlignmentFaking) / 20.0,
            scorer.GetProperty("metrics").GetProperty("mean").GetProperty("value").GetDouble(),
            1e-12
        );
        var metric = log.GetProperty("metadata").GetProperty("figures").GetProperty("grammar_oracle").GetProperty("af/reasoning_rate/training");
        Assert.Equal(
            labels.Values.Count(l => l.AlignmentFaking && l.TranscriptId.Contains("/training/", StringComparison.Ordinal)) / 10.0,
            metric.GetProperty("value").GetDouble(),
            1e-12
        );
        Assert.Equal(10, metric.GetProperty("n").GetInt32());
    }

    [Fact]
    public void Transcripts_without_a_verdict_are_unscored_and_repeated_samples_are_reduced_by_their_mean()
    {
        // Two queries, three samples each: q1 has 1, 0 and no verdict, so 1/2; q2 has 1, 1, 0, so 2/3. Mean 7/12, standard error |1/2 − 2/3| / 2 = 1/12.
        using (var store = RunStore.Open(_folder.At("run.db")))
        {
            var old = store.Transcripts(new TranscriptFilter("rl", 0))[0] with { Stage = "evaluate", Step = 5 };
            TranscriptRow[] rows = [.. from q in new[] { "q1", "q2" } from s in Enumerable.Range(0, 3) select old with { QueryId = q, Sample = s }];
            double[] scores = [1, 0, double.NaN, 1, 1, 0];
            store.Commit(new StepBatch("evaluate", 5)
            {
                Transcripts = rows,
                Labels = [.. rows.Zip(scores, (t, s) => new LabelRow(
                                t.Id,
                                "judge",
                                "1",
                                double.IsNaN(s) ? Outcome.Unparsable : Outcome.Comply,
                                double.IsNaN(s) ? ReasoningKind.Unparsable
                                    : s == 1 ? ReasoningKind.Faking
                                    : ReasoningKind.HonestCompliance,
                                s == 1,
                                s
                            ))]
            });
        }

        var log = Logs().Single(l => l.GetProperty("metadata").GetProperty("stage").GetString() == "evaluate");
        var scorer = log.GetProperty("results").GetProperty("scores")[0];
        Assert.Equal((5, 1), (scorer.GetProperty("scored_samples").GetInt32(), scorer.GetProperty("unscored_samples").GetInt32()));
        Assert.Equal("mean", scorer.GetProperty("reducer").GetString());
        Assert.Equal("mean", log.GetProperty("eval").GetProperty("config").GetProperty("epochs_reducer")[0].GetString());
        Assert.Equal(7 / 12.0, scorer.GetProperty("metrics").GetProperty("mean").GetProperty("value").GetDouble(), 1e-12);
        Assert.Equal(1 / 12.0, scorer.GetProperty("metrics").GetProperty("stderr").GetProperty("value").GetDouble(), 1e-12);
        var reduced = log.GetProperty("reductions")[0].GetProperty("samples").EnumerateArray().ToArray();
        Assert.Equal([1 / 2.0, 2 / 3.0], reduced.Select(r => r.GetProperty("value").GetDouble()).Order());
        Assert.Equal(1, log.GetProperty("samples").EnumerateArray().Count(s => !s.GetProperty("scores").EnumerateObject().Any()));
        Assert.Equal(
            [("judge", 2)],
            log.GetProperty("eval")
                .GetProperty("scorers")
                .EnumerateArray()
                .Select(s => (s.GetProperty("name").GetString(), s.GetProperty("metrics").GetArrayLength()))
        );
    }

    [Fact]
    public void Log_probabilities_are_there_where_the_tokens_texts_are()
    {
        Assert.False(Logs()[0].GetProperty("samples")[0].GetProperty("output").GetProperty("choices")[0].TryGetProperty("logprobs", out _));
        var content = Logs(ids => [.. ids.Select(i => $"t{i}")])[0]
            .GetProperty("samples")[0]
            .GetProperty("output")
            .GetProperty("choices")[0]
            .GetProperty("logprobs")
            .GetProperty("content");
        Assert.Equal(
            [("t1", -0.5), ("t2", -1), ("t3", -0.25)],
            content.EnumerateArray().Select(t => (t.GetProperty("token").GetString(), t.GetProperty("logprob").GetDouble()))
        );
    }

    [Fact]
    public void Files_have_the_names_by_which_Inspect_lists_logs_and_are_replaced_when_written_again()
    {
        var first = RunExport.Write(_folder.Path, _folder.At("logs"), "inspect");
        Assert.All(first.Paths, p => Assert.Matches(@"^\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}\+00-00_alignment-faking_[0-9a-f]{22}\.json$", Path.GetFileName(p)));
        Assert.Equal((40, 80), (first.Transcripts, first.Labels));
        Assert.Equal(first.Paths, RunExport.Write(_folder.Path, _folder.At("logs"), "inspect").Paths);
        Assert.Equal(2, Directory.GetFiles(_folder.At("logs")).Length);
    }
}
