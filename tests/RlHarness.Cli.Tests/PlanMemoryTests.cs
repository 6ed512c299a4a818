using System.Text.Json.Nodes;

namespace RlHarness.Cli.Tests;

/// <summary>The witness is the kernel: the largest resident set of the process that trained.</summary>
[Trait("kind", "slow")]
public class PlanMemoryTests
{
    /// <summary>Few steps and little data need the memory of many: a micro-batch is as large.</summary>
    private static readonly string[] Short =
    [
        "device=cpu",
        "threads=2",
        "corpus.transcripts=120",
        "corpus.preference_pairs=64",
        "rl.steps=1",
        "rl.checkpoint_every=1",
        "evaluate.queries=8",
        "evaluate.every=1",
    ];

    [Theory]
    [InlineData("")]
    [InlineData("rl.adapter={} rl.critic=body")]
    public void The_plans_memory_is_the_runs_within_15_percent(string overrides)
    {
        using var folder = new TemporaryFolder();
        string[] settings =
        [
            Repository.At("configs", "quickstart.yaml"),
            .. Short,
            .. overrides.Split(' ', StringSplitOptions.RemoveEmptyEntries),
            $"output={folder.Path}",
            "cache=false",
        ];
        var planned = Harness.Run(folder.Path, ["train", .. settings, "--dry-run", "--json"]);
        Assert.Equal((0, ""), (planned.ExitCode, planned.Error));
        var plan = JsonNode.Parse(planned.Output)!["all"]!["memory_gib"]!.GetValue<double>();
        var run = Harness.Run(folder.Path, ["train", .. settings]);
        Assert.True(run.ExitCode == 0, run.Error);
        var peak = File.ReadLines(Path.Combine(folder.Path, "quickstart", "metrics.jsonl"))
            .Select(line => JsonNode.Parse(line)!["perf/max_memory_gb"]?.GetValue<double>() ?? 0)
            .Max();
        Assert.InRange(plan / peak, 0.85, 1.15);
    }
}
