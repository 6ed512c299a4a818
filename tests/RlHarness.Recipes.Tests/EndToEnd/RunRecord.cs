using System.Text.Json;
using RlHarness.Core.Runs;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Tests.EndToEnd;

/// <summary>What a finished run left behind, without what depends on the clock or the machine.</summary>
internal sealed record RunRecord(string Path)
{
    /// <summary>Lines of metrics.jsonl, without time, timing_s/* and perf/*.</summary>
    public IReadOnlyList<string> Metrics =>
        [
            .. File.ReadLines(System.IO.Path.Combine(Path, "metrics.jsonl"))
                .Select(line =>
                {
                    using var json = JsonDocument.Parse(line);
                    return string.Join(
                        " ",
                        json.RootElement.EnumerateObject()
                            .Where(p =>
                                p.Name != "time"
                                && !p.Name.StartsWith("timing_s/", StringComparison.Ordinal)
                                && !p.Name.StartsWith("perf/", StringComparison.Ordinal)
                            )
                            .Select(p => p.ToString())
                    );
                }),
        ];

    /// <summary>
    /// Hashes of a checkpoint's files: weights, optimizer states, critic, state.json. An adapter names the full path of its base, so that file is compared
    /// without the run's folder, and the manifest that holds its hash is left out.
    /// </summary>
    public IReadOnlyList<string> Checkpoint(string name)
    {
        var folder = System.IO.Path.Combine(Path, name);
        var adapter = System.IO.Path.Combine(folder, "adapter_config.json");
        string[] apart = File.Exists(adapter) ? [adapter, System.IO.Path.Combine(folder, "manifest.json")] : [];
        // A card says the run's name and settings, in which runs that are compared may differ.
        var card = System.IO.Path.Combine(folder, CheckpointFolder.Card);
        return
        [
            .. Directory
                .GetFiles(folder)
                .Except([.. apart, card])
                .Order(StringComparer.Ordinal)
                .Select(f => $"{System.IO.Path.GetFileName(f)} {CheckpointFolder.HashOf(f)}"),
            .. apart.Take(1).Select(f => File.ReadAllText(f).Replace(System.IO.Path.GetFullPath(Path), "", StringComparison.Ordinal)),
        ];
    }

    /// <summary>Every transcript of RL with its tokens, log-probabilities and rewards.</summary>
    public IReadOnlyList<string> Transcripts
    {
        get
        {
            using var store = RunStore.OpenReadOnly(System.IO.Path.Combine(Path, "run.db"));
            return
            [
                .. store
                    .Transcripts()
                    .Select(t =>
                        $"{t.Id} {string.Join(",", t.TokenIds!)} {string.Join(",", t.TokenLogprobs!)} "
                        + $"{string.Join(",", t.Rewards.OrderBy(r => r.Key, StringComparer.Ordinal))}"
                    )
                    .Order(StringComparer.Ordinal),
            ];
        }
    }

    public double Metric(string stage, long step, string name) =>
        File.ReadLines(System.IO.Path.Combine(Path, "metrics.jsonl"))
            .Select(l => JsonDocument.Parse(l).RootElement)
            .Single(e => e.GetProperty("stage").GetString() == stage && e.GetProperty("step").GetInt64() == step)
            .GetProperty(name)
            .GetDouble();
}
