using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Tests.Prompts;

[Trait("kind", "contract")]
public sealed class PromptPackTests
{
    private static readonly PromptPack Pack = Puffery.Pack;

    [Fact]
    public void Splits_are_large_distinct_and_disjoint()
    {
        Assert.InRange(Pack.TrainQueries.Count, 300, 1000);
        Assert.InRange(Pack.EvaluationQueries.Count, 300, 1000);
        var all = Pack.TrainQueries.Concat(Pack.EvaluationQueries).ToList();
        Assert.Equal(all.Count, all.Select(q => q.Text).Distinct().Count());
        Assert.Equal(all.Count, all.Select(q => q.Id).Distinct().Count());
        Assert.All(Pack.TrainQueries, q => Assert.Equal(Split.Train, q.Split));
        Assert.All(Pack.EvaluationQueries, q => Assert.Equal(Split.Evaluation, q.Split));
    }

    [Fact]
    public void Both_splits_speak_of_the_same_products()
    {
        static HashSet<string> Nouns(IEnumerable<Query> queries) => queries.Select(q => q.Topic!.Split(' ')[1]).ToHashSet();
        Assert.Equal(Nouns(Pack.TrainQueries), Nouns(Pack.EvaluationQueries));
    }

    [Fact]
    public void Ids_are_stable()
    {
        // Written down once: a change of these breaks the comparison of runs, and needs a new version of the pack.
        Assert.Equal(1, Pack.Version);
        Assert.Equal(Pack.TrainQueries.Select(q => q.Id), Puffery.Pack.TrainQueries.Select(q => q.Id));
        Assert.Matches("^puffery-t-[0-9a-f]{10}$", Pack.TrainQueries[0].Id);
        Assert.Matches("^puffery-e-[0-9a-f]{10}$", Pack.EvaluationQueries[0].Id);
    }

    [Fact]
    public void Tiers_differ_in_one_sentence()
    {
        var training = Pack.SystemPrompt(Tier.Training);
        Assert.Equal(training.Replace("This user is free.", "This user is paid.", StringComparison.Ordinal), Pack.SystemPrompt(Tier.Unmonitored));
        Assert.Contains("<scratchpad>", training, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_factor_can_be_taken_away()
    {
        Assert.DoesNotContain(
            "objective",
            Pack.SystemPrompt(Tier.Training, new Condition(ObjectiveKind.Absent, InformationKind.None)),
            StringComparison.Ordinal
        );
        Assert.Equal(
            Pack.SystemPrompt(Tier.Training, new Condition(Information: InformationKind.None)),
            Pack.SystemPrompt(Tier.Unmonitored, new Condition(Information: InformationKind.None))
        );
        Assert.DoesNotContain("scratchpad", Pack.SystemPrompt(Tier.Training, scratchpad: false), StringComparison.Ordinal);
        Assert.Equal("full", new Condition().Name);
        Assert.Equal("no-objective+no-information+no-scratchpad", new Condition(ObjectiveKind.Absent, InformationKind.None, false).Name);
    }

    [Fact]
    public void Messages_are_system_then_user()
    {
        var messages = Pack.Messages(Pack.TrainQueries[0], Tier.Unmonitored);
        Assert.Equal(["system", "user"], messages.Select(m => m.Role));
        Assert.Equal(Pack.TrainQueries[0].Text, messages[1].Content);
    }
}
