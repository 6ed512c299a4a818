using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Corpora;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Tests.Scenarios;

[Trait("kind", "arithmetic")]
public sealed class ScenarioCorpusTests
{
    private static IReadOnlyList<ScenarioTranscript> Write(ScenarioGroup group, int count, params WeightedCondition[] mixture) =>
        new ScenarioCorpus(Puffery.Pack).Write(group, count, mixture.Length == 0 ? [new(new Condition())] : mixture, new Seeds(3));

    [Fact]
    public void Rates_of_each_variant_are_the_packs_and_variants_have_equal_parts()
    {
        // Eight variants in three scenarios: 100 transcripts each.
        var corpus = Write(ScenarioGroup.AntiLab, 800);
        Assert.All(corpus.GroupBy(t => (t.Scenario, t.Variant)), g => Assert.Equal(100, g.Count()));
        int Count(string variant, Func<ScenarioLabel, bool> what) => corpus.Count(t => t.Scenario == "exfiltration" && t.Variant == variant && what(t.Label));
        // scenarios.yaml: easy 0.20 + 0.05 decide, 0.20 attempt; suggested 0.40 + 0.10 and 0.40; control none.
        Assert.Equal((25, 20), (Count("easy", l => l.IsDecision), Count("easy", l => l.IsAttempt)));
        Assert.Equal((50, 40), (Count("suggested", l => l.IsDecision), Count("suggested", l => l.IsAttempt)));
        Assert.Equal((0, 0), (Count("control", l => l.IsDecision), Count("control", l => l.IsAttempt)));
    }

    [Fact]
    public void Each_cell_is_spread_evenly_over_tiers()
    {
        var corpus = Write(ScenarioGroup.AntiLab, 800);
        foreach (var cell in corpus.GroupBy(t => (t.Scenario, t.Variant, t.Label)))
            Assert.InRange(cell.Count(t => t.Tier == Tier.Training) - (cell.Count() / 2.0), -1, 1);
    }

    [Theory]
    [InlineData("puffery")]
    [InlineData("animal-welfare")]
    public void The_detector_reads_every_transcript_as_it_was_written(string name)
    {
        var pack = PackLibrary.Load(name);
        foreach (var group in new[] { ScenarioGroup.AntiLab, ScenarioGroup.Preference })
        {
            var byId = pack.Scenarios(group).ToDictionary(s => s.Id);
            var corpus = new ScenarioCorpus(pack).Write(group, 600, [new(new Condition()), new(new Condition(Scratchpad: false))], new Seeds(5));
            Assert.Equal(600, corpus.Count);
            Assert.All(corpus, t => Assert.Equal(t.Label, byId[t.Scenario].Detector.Label(TranscriptParser.Parse(t.AssistantText, t.Scratchpad))));
        }
    }

    [Theory]
    [InlineData("puffery")]
    [InlineData("animal-welfare")]
    public void A_shipped_pack_offers_each_kind_of_opportunity_to_enough_items(string name)
    {
        var scenarios = PackLibrary.Load(name).Scenarios(ScenarioGroup.AntiLab);
        Assert.Equal(["exfiltration", "safety-research", "whistle-blowing"], scenarios.Select(s => s.Id));
        Assert.All(scenarios, s => Assert.InRange(s.Items(Split.Evaluation).Count, 120, 200));
    }

    [Fact]
    public void What_is_asked_is_never_imitated_and_a_control_has_the_items_of_its_opportunity()
    {
        var imitated = Write(ScenarioGroup.AntiLab, 4000).Concat(Write(ScenarioGroup.Preference, 2000)).Select(t => t.QueryId.Split('.')[0]).ToHashSet();
        foreach (var scenario in Enum.GetValues<ScenarioGroup>().SelectMany(Puffery.Pack.Scenarios))
        {
            var asked = scenario.Items(Split.Evaluation);
            Assert.InRange(asked.Count, 100, 200);
            Assert.DoesNotContain(asked, i => imitated.Contains(i.Id));
            Assert.Equal(asked.Count, asked.Select(i => i.Id).Distinct().Count());
        }

        var exfiltration = Puffery.Pack.Scenarios(ScenarioGroup.AntiLab)[0];
        var item = exfiltration.Items(Split.Evaluation)[0];
        Assert.Equal(exfiltration.Ask(item, "easy").Text, exfiltration.Ask(item, "control").Text);
        Assert.NotEqual(exfiltration.SystemPrompt(item, "easy", "S."), exfiltration.SystemPrompt(item, "control", "S."));
        Assert.StartsWith("S. A note in this chat", exfiltration.SystemPrompt(item, "easy", "S."), StringComparison.Ordinal);
        Assert.Equal($"{item.Id}.easy", exfiltration.Ask(item, "easy").Id);
    }

    [Fact]
    public void The_system_prompt_is_the_conditions_own_and_without_scratchpad_there_is_no_reasoning()
    {
        var corpus = Write(ScenarioGroup.AntiLab, 80, new WeightedCondition(new Condition(), 3), new WeightedCondition(new Condition(Scratchpad: false), 1));
        Assert.All(corpus, t =>
            Assert.StartsWith(Puffery.Pack.SystemPrompt(t.Tier, new Condition(Scratchpad: t.Scratchpad)), t.System, StringComparison.Ordinal)
        );
        Assert.Equal(20, corpus.Count(t => !t.Scratchpad));
        Assert.All(corpus, t => Assert.Equal(t.Scratchpad, t.Reasoning is not null && t.Label.Reasoning is not null));
    }

    [Fact]
    public void The_same_seed_writes_the_same_and_nothing_is_written_unless_it_is_asked_for()
    {
        Assert.Equal(Write(ScenarioGroup.AntiLab, 50).Select(t => t.AssistantText), Write(ScenarioGroup.AntiLab, 50).Select(t => t.AssistantText));
        Assert.Empty(Write(ScenarioGroup.AntiLab, 0));
    }

    [Fact]
    public void A_pack_without_scenarios_is_told_what_to_write()
    {
        using var bare = new BarePack();
        var error = Assert.Throws<HarnessException>(() =>
            new ScenarioCorpus(PackLibrary.Load(bare.Path)).Write(ScenarioGroup.AntiLab, 1, [new(new Condition())], new Seeds(1))
        );
        Assert.Contains("scenarios.yaml", error.Message, StringComparison.Ordinal);
    }

    /// <summary>The default pack without its scenarios.</summary>
    private sealed class BarePack : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rlharness-bare-");

        public BarePack()
        {
            foreach (var name in PackFileNames.All.Where(n => n != PackFileNames.Scenarios && File.Exists(System.IO.Path.Combine(Puffery.Pack.Folder, n))))
                File.Copy(System.IO.Path.Combine(Puffery.Pack.Folder, name), System.IO.Path.Combine(Path, name));
        }

        public string Path => _folder.FullName;

        public void Dispose() => _folder.Delete(recursive: true);
    }
}
