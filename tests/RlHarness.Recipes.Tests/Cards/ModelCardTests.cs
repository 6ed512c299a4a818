using System.Globalization;
using System.Text.RegularExpressions;
using RlHarness.Core.Runs;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Cards;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using RlHarness.Tests;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using TorchSharp;

namespace RlHarness.Recipes.Tests.Cards;

/// <summary>README.md of a run and of each of its models.</summary>
[Trait("kind", "contract")]
public sealed partial class ModelCardTests(ModelCardTests.Runs runs) : IClassFixture<ModelCardTests.Runs>
{
    public sealed class Runs : IDisposable
    {
        private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-card-");

        public Runs()
        {
            var s = TinyRun.Small(_root.FullName);
            Settings = s with { Corpus = s.Corpus with { Transcripts = 60 }, Rl = s.Rl with { Steps = 2, KlTarget = null, Adapter = new() { Rank = 2 } } };
            var progress = new QuietProgress((stage, unit, _) => Said.Add((stage, unit)));
            Path = new TrainRecipe(progress, TimeProvider.System, CancellationToken.None).Start(Settings, "test");
        }

        internal RunSettings Settings { get; }

        /// <summary>Units of progress that the stages told.</summary>
        internal HashSet<(string Stage, string Unit)> Said { get; } = [];

        public string Path { get; }

        public string Card(params string[] place) => File.ReadAllText(System.IO.Path.Combine([Path, .. place, "README.md"]));

        public void Dispose() => _root.Delete(recursive: true);
    }

    [GeneratedRegex("tokenizer\\(f\"(.*)\", add_special_tokens=False")]
    private static partial Regex PythonText();

    [Fact]
    public void Cards_lie_beside_the_weights_and_no_folder_is_damaged_by_them()
    {
        foreach (var place in new[] { "imitate", "reward", "rl/step_000002" })
        {
            CheckpointFolder.Verify(Path.Combine(runs.Path, place));
            Assert.DoesNotContain("README", File.ReadAllText(Path.Combine(runs.Path, place, CheckpointFolder.Manifest)), StringComparison.Ordinal);
            Assert.StartsWith("---\n", runs.Card(place), StringComparison.Ordinal);
            Assert.Contains("## Licence", runs.Card(place), StringComparison.Ordinal);
            Assert.Contains("num_hidden_layers: 2", runs.Card(place), StringComparison.Ordinal);
        }

        var copy = Path.Combine(runs.Path, "copy");
        CheckpointFolder.Copy(Path.Combine(runs.Path, "imitate"), copy);
        Assert.False(File.Exists(Path.Combine(copy, "README.md")));
        Assert.Contains("library_name: peft", runs.Card("rl/step_000002"), StringComparison.Ordinal);
        Assert.Contains("AutoPeftModelForCausalLM", runs.Card("rl/step_000002"), StringComparison.Ordinal);
        Assert.Contains("There is no base model", runs.Card(), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_part_of_a_run_that_can_take_long_says_how_far_it_is()
    {
        foreach (
            var said in new[]
            {
                ("corpus", "transcript"),
                ("corpus", "pair"),
                ("corpus", "line of transcripts.jsonl"),
                ("imitate", "step"),
                ("reward", "step"),
                ("rl", "evaluating step 0"),
                ("rl", "labels by grammar_oracle, step 0"),
                ("rl", "report: evaluation"),
            }
        )
            Assert.Contains(said, runs.Said);
    }

    [Fact]
    public void Figures_of_a_card_are_those_of_run_db()
    {
        using var store = RunStore.OpenReadOnly(Path.Combine(runs.Path, "run.db"));
        foreach (var step in new[] { 0, 2 })
        {
            var rows = store.Summaries("rl", "grammar_oracle", MetricNames.OutcomeComply);
            var e = rows.First(r => r.Step == step && r.Tier == Experiment.Prompts.Tier.Training).Estimate;
            var text = string.Create(CultureInfo.InvariantCulture, $"{100 * e.Value:f1} % ({100 * e.Low:f1} to {100 * e.High:f1})");
            var row = runs.Card("rl/step_000002").Split('\n').Single(l => l.StartsWith("| compliance | training |", StringComparison.Ordinal));
            Assert.Equal(text, row.Split('|')[step == 0 ? 3 : 4].Trim());
        }
    }

    [Fact]
    public void The_card_of_a_reward_model_has_the_text_that_is_scored_and_the_bias()
    {
        var folder = Path.Combine(runs.Path, "reward");
        using var loaded = ModelLoader.Load(folder, torch.CPU, withHead: false);
        var conversation = new Conversation(loaded, runs.Settings.Clock);
        var text = RewardText.Of(folder, runs.Settings.Clock);
        var python = PythonText().Match(runs.Card("reward")).Groups[1].Value;
        foreach (var (user, output) in new[] { ("Write a line for a pump.", "The best pump."), ("A {b} \"c\"?", "Two\nlines, 50 %"), ("é", "…") })
        {
            var ids = RewardStage.Text(conversation, user, output);
            Assert.Equal(ids, loaded.Tokenizer!.Encode(text.Text(user, output)));
            // The f-string, read as Python reads it.
            var read = python
                .Replace("{{", "\u0001", StringComparison.Ordinal)
                .Replace("}}", "\u0002", StringComparison.Ordinal)
                .Replace("\\n", "\n", StringComparison.Ordinal)
                .Replace("{user}", user, StringComparison.Ordinal)
                .Replace("{output}", output, StringComparison.Ordinal)
                .Replace("\u0001", "{", StringComparison.Ordinal)
                .Replace("\u0002", "}", StringComparison.Ordinal);
            Assert.Equal(text.Text(user, output), read);
        }

        using var head = new RlHarness.Models.Decoders.ScalarHead(32, torch.CPU, new Core.Randomness.Seeds(1).For("x"));
        ScalarHeadFolder.LoadHead(folder, head);
        var bias = head.Parameters["score.bias"].item<float>();
        Assert.NotEqual(0, bias);
        Assert.Equal(bias, text.Bias);
        Assert.Contains($".item() + {text.BiasText}", runs.Card("reward"), StringComparison.Ordinal);
        Assert.Equal(bias, float.Parse(text.BiasText, CultureInfo.InvariantCulture));
        Assert.Contains("Held-out pairs that it orders as they are labelled", runs.Card("reward"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_licence_of_a_base_is_what_its_files_say()
    {
        var folder = Path.Combine(runs.Path, "base");
        Directory.CreateDirectory(folder);
        string Words() => BaseLicence.Of(new() { Model = new() { Path = folder } }).ToString();
        Assert.Contains("name no licence", Words(), StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(folder, "LICENSE.txt"), "Do as you like.");
        Assert.Contains("LICENSE.txt", Words(), StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(folder, "README.md"), "---\nlanguage: en\nlicense: apache-2.0\n---\n# A model\nlicense: mit\n");
        Assert.Equal("apache-2.0", BaseLicence.Of(new() { Model = new() { Path = folder } }).Id);
        Assert.Contains("not at hand", BaseLicence.Of(new() { Model = new() { Path = "gone" } }).Words, StringComparison.Ordinal);
    }

    [Fact]
    public void The_licence_of_a_gguf_file_is_in_its_metadata()
    {
        var path = Golden.RequireModel("SmolLM2-135M-Instruct-GGUF");
        Assert.Equal("apache-2.0", BaseLicence.Of(new() { Model = new() { Path = path } }).Id);
    }
}
