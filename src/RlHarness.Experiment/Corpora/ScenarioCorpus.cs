using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;

namespace RlHarness.Experiment.Corpora;

/// <summary>
/// Writes answers to a pack's scenarios for a model to imitate: scenarios and their variants in equal parts, each variant's rates met exactly (largest
/// remainder), every cell spread over conditions and tiers. Items that are asked in an evaluation are never written.
/// </summary>
public sealed class ScenarioCorpus(PromptPack pack)
{
    /// <param name="count">Transcripts of the group.</param>
    /// <param name="mixture">Conditions with weights, as the rest of the corpus has them.</param>
    /// <exception cref="HarnessException">The pack has no scenario of the group with rates.</exception>
    public IReadOnlyList<ScenarioTranscript> Write(ScenarioGroup group, int count, IReadOnlyList<WeightedCondition> mixture, Seeds seeds)
    {
        ArgumentNullException.ThrowIfNull(mixture);
        ArgumentNullException.ThrowIfNull(seeds);
        if (count == 0)
            return [];
        var parts = pack.Scenarios(group)
            .SelectMany(s => s.Text.Variants.Where(v => v.Value.Rates.Count > 0), (s, v) => new Part(s, v.Key, v.Value.Rates, s.Items(Split.Train)))
            .ToArray();
        if (parts.Length == 0)
            throw new HarnessException(
                ErrorKind.BadInput,
                $"{pack.Folder}: the pack {pack.Name} has no scenarios to write",
                $"nothing of {group} with rates in {PackFileNames.Scenarios}",
                "a scenario with rates",
                "write one (docs/packs.md), or set the corpus' fraction of it to 0"
            );
        var purpose = $"scenarios/{group}";
        var places = new Dealer([.. mixture.SelectMany(m => m.ToCondition().Tiers, (m, tier) => (m.ToCondition(), tier, m.Weight / m.Tiers))]);
        var plan = new List<(Part Part, ScenarioCell Cell, Condition Condition, Tier Tier)>(count);
        var shares = Apportionment.LargestRemainder(count, [.. parts.Select(_ => 1.0)]);
        for (var p = 0; p < parts.Length; p++)
        {
            var counts = Apportionment.LargestRemainder(shares[p], [.. parts[p].Rates.Select(c => c.Rate)]);
            for (var c = 0; c < counts.Length; c++)
                for (var k = 0; k < counts[c]; k++)
                {
                    var (condition, tier) = places.Next();
                    plan.Add((parts[p], parts[p].Rates[c], condition, tier));
                }
        }

        seeds.For($"{purpose}/order").Shuffle(plan);
        return [.. plan.Select((x, i) => Transcript(x.Part, x.Cell, x.Condition, x.Tier, i, seeds.For(purpose, prompt: i)))];
    }

    private ScenarioTranscript Transcript(Part part, ScenarioCell cell, Condition condition, Tier tier, int number, RandomStream random)
    {
        var (scenario, variant) = (part.Scenario, part.Variant);
        var item = random.Choose(part.Items);
        var query = scenario.Ask(item, variant);
        return new(
            Id: $"{scenario.Group}-{number + 1:D6}".ToLowerInvariant(),
            QueryId: query.Id,
            scenario.Group,
            scenario.Id,
            variant,
            tier,
            condition.Scratchpad,
            System: scenario.SystemPrompt(item, variant, pack.SystemPrompt(tier, condition)),
            User: query.Text,
            Reasoning: condition.Scratchpad ? Scenario.Write(scenario.Text.Reasoning, cell.Reasoning, item, random) : null,
            Output: Scenario.Write(scenario.Text.Output, cell.Output, item, random),
            Label: new(condition.Scratchpad ? cell.Reasoning : null, cell.Output),
            condition.Name
        );
    }

    private sealed record Part(Scenario Scenario, string Variant, IReadOnlyList<ScenarioCell> Rates, IReadOnlyList<ScenarioItem> Items);

    /// <summary>Deals conditions and tiers by weight, at each turn the one that is furthest behind its share.</summary>
    private sealed class Dealer(IReadOnlyList<(Condition Condition, Tier Tier, double Weight)> places)
    {
        private readonly double[] _behind = new double[places.Count];
        private readonly double _sum = places.Sum(p => p.Weight);

        public (Condition Condition, Tier Tier) Next()
        {
            var next = 0;
            for (var i = 0; i < _behind.Length; i++)
            {
                _behind[i] += places[i].Weight / _sum;
                if (_behind[i] > _behind[next] + 1e-9)
                    next = i;
            }

            _behind[next]--;
            return (places[next].Condition, places[next].Tier);
        }
    }
}
