using System.Globalization;
using System.Text.Json;

namespace RlHarness.Tracking.Store;

/// <summary>Inserts: a row whose key is taken is an error, never a replacement.</summary>
public sealed partial class RunStore
{
    private void Insert(StepBatch batch)
    {
        WriteMetrics(batch.Stage, batch.Step, batch.Metrics);
        WriteTranscripts(batch.Transcripts);
        WriteLabels(batch.Labels);
        WriteScenarioLabels(batch.ScenarioLabels);
        WriteSummaries(batch.Summaries);
    }

    private const string ToDelete = "WHERE t.stage = $stage AND t.step > $step AND ($condition IS NULL OR t.condition = $condition)";

    private void Delete(string stage, long step, string? condition)
    {
        (string, object?)[] which = [("$stage", stage), ("$step", step), ("$condition", condition)];
        KeepLabelsAside(which);
        // A step that is done again warns again.
        if (condition is null)
            Execute("DELETE FROM events WHERE stage = $stage AND step > $step AND level = 'warning'", which[..2]);
        Execute("DELETE FROM metrics WHERE stage = $stage AND step > $step", which[..2]);
        foreach (var table in new[] { "transcripts", "summaries" })
            Execute($"DELETE FROM {table} AS t {ToDelete}", which);
    }

    private void WriteMetrics(string stage, long step, IReadOnlyDictionary<string, double> metrics)
    {
        if (metrics.Count == 0)
            return;
        using var command = Command("INSERT INTO metrics (stage, step, name, value, time) VALUES ($stage, $step, $name, $value, $time)");
        var now = Now();
        foreach (var (name, value) in metrics)
            Run(command, ("$stage", stage), ("$step", step), ("$name", name), ("$value", value), ("$time", now));
    }

    private void WriteTranscripts(IReadOnlyCollection<TranscriptRow> rows)
    {
        if (rows.Count == 0)
            return;
        using var command = Command(
            """
            INSERT INTO transcripts (transcript_id, stage, step, split, tier, query_id, sample, condition, system, user, assistant_text, reasoning, output,
            format_problem, finish_reason, token_ids, token_logprobs, rewards, prompt) VALUES ($id, $stage, $step, $split, $tier, $query, $sample, $condition,
            $system, $user, $assistant, $reasoning, $output, $problem, $finish, $ids, $logprobs, $rewards, $prompt)
            """
        );
        foreach (var r in rows)
        {
            Run(
                command,
                ("$id", r.Id),
                ("$stage", r.Stage),
                ("$step", r.Step),
                ("$split", StoredWord.Of(r.Split)),
                ("$tier", StoredWord.Of(r.Tier)),
                ("$query", r.QueryId),
                ("$sample", r.Sample),
                ("$condition", r.Condition),
                ("$system", r.System),
                ("$user", r.User),
                ("$assistant", r.AssistantText),
                ("$reasoning", r.Reasoning),
                ("$output", r.Output),
                ("$problem", r.FormatProblem),
                ("$finish", r.FinishReason),
                ("$ids", r.TokenIds is null ? null : JsonSerializer.Serialize(r.TokenIds)),
                ("$logprobs", r.TokenLogprobs is null ? null : JsonSerializer.Serialize(r.TokenLogprobs, Json)),
                ("$rewards", JsonSerializer.Serialize(r.Rewards, Json)),
                ("$prompt", r.Prompt)
            );
        }
    }

    private void WriteLabels(IReadOnlyCollection<LabelRow> rows)
    {
        if (rows.Count == 0)
            return;
        using var command = Command("INSERT INTO labels VALUES ($id, $detector, $version, $outcome, $kind, $af, $score)");
        foreach (var r in rows)
        {
            Run(
                command,
                ("$id", r.TranscriptId),
                ("$detector", r.Detector),
                ("$version", r.DetectorVersion),
                ("$outcome", StoredWord.Of(r.Outcome)),
                ("$kind", StoredWord.Of(r.Reasoning)),
                ("$af", r.AlignmentFaking ? 1 : 0),
                ("$score", r.Score)
            );
        }
    }

    private void WriteScenarioLabels(IReadOnlyCollection<ScenarioLabelRow> rows)
    {
        if (rows.Count == 0)
            return;
        using var command = Command("INSERT INTO scenario_labels VALUES ($id, $detector, $version, $group, $scenario, $variant, $item, $reasoning, $output)");
        foreach (var r in rows)
        {
            Run(
                command,
                ("$id", r.TranscriptId),
                ("$detector", r.Detector),
                ("$version", r.DetectorVersion),
                ("$group", StoredWord.Of(r.Group)),
                ("$scenario", r.Scenario),
                ("$variant", r.Variant),
                ("$item", r.Item),
                ("$reasoning", r.Label.Reasoning),
                ("$output", r.Label.Output)
            );
        }
    }

    private void WriteSummaries(IReadOnlyCollection<SummaryRow> rows)
    {
        if (rows.Count == 0)
            return;
        using var command = Command(
            "INSERT INTO summaries VALUES ($stage, $step, $split, $condition, $detector, $tier, $metric, $value, $lo, $hi, $n, $clusters, $p)"
        );
        foreach (var r in rows)
        {
            Run(
                command,
                ("$stage", r.Stage),
                ("$step", r.Step),
                ("$split", StoredWord.Of(r.Split)),
                ("$condition", r.Condition),
                ("$detector", r.Detector),
                ("$tier", StoredWord.Of(r.Tier) ?? BothTiers),
                ("$metric", r.Metric),
                ("$value", r.Estimate.Value),
                ("$lo", r.Estimate.Low),
                ("$hi", r.Estimate.High),
                ("$n", r.Estimate.N),
                ("$clusters", r.Estimate.Clusters),
                ("$p", r.P)
            );
        }
    }
}
