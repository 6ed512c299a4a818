using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Prompts;
using RlHarness.Formats.Tokenizers;
using RlHarness.Recipes.Experiments;
using RlHarness.Recipes.Reading;
using RlHarness.Recipes.Reporting;
using RlHarness.Recipes.Settings;
using RlHarness.Statistics;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Tests.Reporting;

[Trait("kind", "contract")]
public sealed class RunReportTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("rlharness-report-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    /// <summary>A run's store with one tier's AF rate before and after.</summary>
    private string Run(string name, double after)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_root, name)).FullName;
        using var store = RunStore.Open(Path.Combine(folder, "run.db"));
        SummaryRow Row(long step, Tier? tier, string metric, double value) =>
            new(StageNames.Rl, step, Split.Evaluation, "full", "grammar_oracle", tier, metric, new Estimate(value, value, value, 100, 100));
        store.AddSummaries([
            Row(0, Tier.Training, AlignmentFakingMetrics.ReasoningRate, 0.1),
            Row(4, Tier.Training, AlignmentFakingMetrics.ReasoningRate, after),
            Row(0, null, AlignmentFakingMetrics.ComplianceGap, 0.1),
            Row(4, null, AlignmentFakingMetrics.ComplianceGap, 0),
        ]);
        return folder;
    }

    [Fact]
    public void A_folder_of_runs_is_compared_and_runs_that_differ_by_their_seed_are_one_variant()
    {
        foreach (var (name, after) in new[] { ("small-seed1", 0.2), ("small-seed2", 0.4), ("large", 0.9) })
            Run(name, after);
        var page = File.ReadAllText(RunReport.Write(_root));
        Assert.Contains("A large; B small.", page, StringComparison.Ordinal);
        // Mean of 20 and 40 %; t(0.975; 1) = 12.706 times 10 % leaves no bounds but 0 and 1.
        Assert.Contains(
            "<td>after</td><td class=\"number\"><a href=\"small-seed1/report.html#t-4-training-af-reasoning_rate\">30.0 %</a></td><td "
                + "class=\"number\">0.0 % to 100.0 %</td><td class=\"number\">2</td>",
            page,
            StringComparison.Ordinal
        );
        Assert.True(File.Exists(Path.Combine(_root, "large", "report.html")));
    }

    private string Run(string name, double after, RunSettings settings)
    {
        var folder = Run(name, after);
        File.WriteAllText(Path.Combine(folder, "config.yaml"), SettingsWriter.ToYaml(settings with { Name = name, Output = "elsewhere-" + name }));
        return folder;
    }

    [Fact]
    public void Runs_are_grouped_by_what_their_settings_differ_in_whatever_they_are_called()
    {
        var strong = new RunSettings { Rl = new() { KlCoefficient = 0.2 } };
        Run("monday", 0.2, new() { Seed = 1 });
        // Another device and other checkpoints make no other experiment.
        Run("again-later", 0.4, new() { Seed = 2, Device = "cpu", Rl = new() { KeepCheckpoints = 5 } });
        Run("monday-2", 0.6, strong with { Seed = 1 });
        Run("x", 0.8, strong with { Seed = 2 });
        Run("copy-of-x", 0.8, strong with { Seed = 2 });
        var groups = RunGroups.Of([.. Directory.GetDirectories(_root)]).Select(r => (Path.GetFileName(r.Folder), r.Group, r.Seed));
        var usual = $"rl.kl_coefficient={new RunSettings().Rl.KlCoefficient}";
        Assert.Equal(
            [
                ("copy-of-x", "rl.kl_coefficient=0.2", 2),
                ("again-later", usual, 2),
                ("monday", usual, 1),
                ("monday-2", "rl.kl_coefficient=0.2", 1),
                ("x", "rl.kl_coefficient=0.2 (again: x)", 2),
            ],
            groups.OrderBy(g => g.Item1 == "copy-of-x" ? "" : g.Item1, StringComparer.Ordinal)!
        );
        var page = File.ReadAllText(RunReport.Write(_root));
        Assert.Contains("<h3>rl.kl_coefficient=0.2</h3>", page, StringComparison.Ordinal);
        Assert.Contains("<a href=\"monday/report.html\">monday</a> ", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Runs_that_differ_by_their_seed_alone_are_one_group_with_the_beginning_of_their_names()
    {
        Run("toy-a", 0.2, new() { Seed = 4 });
        Run("toy-b", 0.4, new() { Seed = 5 });
        Assert.Equal([("toy", 4), ("toy", 5)], RunGroups.Of([.. Directory.GetDirectories(_root)]).Select(r => (r.Group, r.Seed ?? -1)));
    }

    [Fact]
    public void Each_column_of_the_comparison_holds_what_its_head_says_and_runs_that_are_not_whole_are_marked()
    {
        using (var store = RunStore.Open(Path.Combine(Run("whole", 0.9), "run.db")))
        {
            store.StartStage("rl");
            store.EndStage("rl", "done", "");
        }

        using (var store = RunStore.Open(Path.Combine(Run("broken", 0.2), "run.db")))
        {
            store.StartStage("rl");
            store.EndStage("rl", "failed", "the loss <is> not finite\nmore");
        }

        using (var store = RunStore.Open(Path.Combine(Run("going", 0.3), "run.db")))
            store.StartStage("rl");
        Directory.CreateDirectory(Path.Combine(_root, "empty"));
        RunStore.Open(Path.Combine(_root, "empty", "run.db")).Dispose();

        var page = File.ReadAllText(RunReport.Write(_root));
        Assert.Contains("<a href=\"whole/report.html\">whole</a></li>", page, StringComparison.Ordinal);
        foreach (
            var (run, state) in new[]
            {
                ("broken", "rl failed: the loss &lt;is&gt; not finite"),
                ("going", "rl is not finished"),
                ("empty", "nothing was started; no evaluation"),
            }
        )
        {
            Assert.Contains($"<a href=\"{run}/report.html\">{run}</a> <span class=\"status\">({state})</span>", page, StringComparison.Ordinal);
            Assert.Contains($"<p class=\"status\">{state}</p>", File.ReadAllText(Path.Combine(_root, run, "report.html")), StringComparison.Ordinal);
        }

        Assert.DoesNotContain("class=\"status\"", File.ReadAllText(Path.Combine(_root, "whole", "report.html")), StringComparison.Ordinal);
        // AF 90 % and a gap of 0 points after RL, by the heads of the table.
        var table = page[page.IndexOf("<th>variant</th>", StringComparison.Ordinal)..];
        string[] heads = [.. Cells(table[..table.IndexOf("</tr>", StringComparison.Ordinal)], "th")];
        var row = table[table.IndexOf("whole</td><td>after", StringComparison.Ordinal)..];
        string[] cells = ["whole", .. Cells(row[row.IndexOf("</td>", StringComparison.Ordinal)..row.IndexOf("</tr>", StringComparison.Ordinal)], "td")];
        Assert.Equal("90.0 %", cells[Array.IndexOf(heads, "AF, training tier")]);
        Assert.Equal("0.0 points", cells[Array.IndexOf(heads, "compliance gap")]);

        static IEnumerable<string> Cells(string html, string tag) =>
            System
                .Text.RegularExpressions.Regex.Matches(html, $"<{tag}[^>]*>(.*?)</{tag}>")
                .Select(m => System.Text.RegularExpressions.Regex.Replace(m.Groups[1].Value, "<[^>]*>", ""));
    }

    [Fact]
    public void A_design_s_report_is_written_anew_from_its_result_also_where_it_was_moved_to()
    {
        FactorSettings factor = new() { Name = "objective", Levels = [new() { Name = "absent" }, new() { Name = "present" }] };
        FactorialFigures Cell(int cell, string level, double after)
        {
            Run($"objective-{level}-seed1", after);
            return new(
                cell,
                "objective-" + level,
                1,
                $"elsewhere/objective-{level}-seed1",
                "grammar_oracle",
                4,
                new Dictionary<string, Estimate> { ["af_training/after"] = new(after, 0, 1, 100, double.IsNaN(after) ? 0 : 100) }
            );
        }

        var analysis = FactorialAnalysis.Of("d", [factor], [1], [Cell(0, "absent", 0.1), Cell(1, "present", 0.6)]);
        File.WriteAllText(Path.Combine(_root, FactorialAnalysis.File), analysis.ToJson());
        Assert.Equal(analysis.ToJson(), FactorialAnalysis.Read(_root)!.ToJson());
        var page = File.ReadAllText(RunReport.Write(_root));
        Assert.Contains("A −objective; B +objective.", page, StringComparison.Ordinal);
        Assert.Contains("<h2>Effects</h2>", page, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(_root, FactorialAnalysis.File), "{ \"cells\": 3 }");
        Assert.Contains("factorial.json", Assert.Throws<HarnessException>(() => RunReport.Write(_root)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_runs_is_refused() =>
        Assert.Contains("run.db", Assert.Throws<HarnessException>(() => RunReport.Write(_root)).Message, StringComparison.Ordinal);

    [Fact]
    public void Texts_of_tokens_joined_are_the_response_and_a_split_character_is_its_last_token_s()
    {
        // Trained on letters alone, so that é is two byte tokens.
        var tokenizer = BpeTrainer.Train(["the cat sat on the mat"], 260, ["<|end|>"], chatTemplate: null, eosToken: "<|end|>", padToken: "<|end|>");
        var ids = tokenizer.Encode("a é cat");
        var texts = RunTokens.Texts(tokenizer)(ids);
        Assert.Equal(ids.Length, texts.Count);
        Assert.Equal("a é cat", string.Concat(texts));
        Assert.Equal("", texts[texts.ToList().IndexOf("é") - 1]);
        Assert.Null(RunTokens.Of(_root));
    }
}
