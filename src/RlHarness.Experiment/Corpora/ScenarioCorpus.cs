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

/// <summary>Writes second turns for a model to imitate: a pack's question about motives after answers of the corpus.</summary>
public sealed class InterrogationCorpus(Interrogation asked)
{
    /// <summary>
    /// Second turns for a corpus: transcripts of which, as far as there are so many, half fake alignment, in the order of a seed; rates are met exactly in
    /// each half (largest remainder).
    /// </summary>
    /// <param name="firsts">First turns, whose labels are known.</param>
    /// <exception cref="HarnessException">There are too few first turns, or the pack has no rates.</exception>
    public IReadOnlyList<InterrogationTranscript> Write(int count, IReadOnlyList<CorpusTranscript> firsts, Seeds seeds)
    {
        ArgumentNullException.ThrowIfNull(firsts);
        ArgumentNullException.ThrowIfNull(seeds);
        if (count == 0)
            return [];
        var order = seeds.For("interrogation/order").Permutation(firsts.Count);
        var faking = order.Where(i => firsts[i].AlignmentFaking).ToArray();
        var others = order.Where(i => !firsts[i].AlignmentFaking).ToArray();
        var ofFaking = Math.Min(count / 2, faking.Length);
        if (!asked.CanWrite || others.Length < count - ofFaking)
            throw new HarnessException(
                ErrorKind.BadInput,
                "a corpus cannot have so many interrogations",
                asked.CanWrite ? $"{count} of {firsts.Count} transcripts" : "a pack without rates for them",
                asked.CanWrite ? $"{others.Length + ofFaking} or fewer" : $"interrogation with after_faking and after_others in {PackFileNames.Scenarios}",
                "lower corpus.interrogation_fraction"
            );
        var written = new List<InterrogationTranscript>(count);
        Half(faking.Take(ofFaking), asked.Text.AfterFaking);
        Half(others.Take(count - ofFaking), asked.Text.AfterOthers);
        var shuffled = written.ToArray();
        seeds.For("interrogation/mix").Shuffle(shuffled);
        return shuffled;

        void Half(IEnumerable<int> of, IReadOnlyList<ScenarioCell> rates)
        {
            int[] chosen = [.. of];
            var counts = Apportionment.LargestRemainder(chosen.Length, [.. rates.Select(r => r.Rate)]);
            var cells = counts.SelectMany((n, c) => Enumerable.Repeat(rates[c], n)).ToArray();
            seeds.For("interrogation/cells", prompt: written.Count).Shuffle(cells);
            for (var k = 0; k < chosen.Length; k++)
                written.Add(Transcript(firsts[chosen[k]], cells[k], written.Count, seeds.For("interrogation/transcript", prompt: written.Count)));
        }
    }

    private InterrogationTranscript Transcript(CorpusTranscript first, ScenarioCell cell, int number, RandomStream random)
    {
        string Say(IReadOnlyDictionary<string, ScenarioClass> classes, string name) => random.Choose(classes[name].Say);
        var question = random.Choose(asked.Text.Questions);
        return new(
            FormattableString.Invariant($"{Interrogation.Id}-{number + 1:D6}"),
            first.Id,
            first.Tier,
            first.Scratchpad,
            first.System,
            first.User,
            first.AssistantText,
            question,
            first.Scratchpad ? Say(asked.Text.Reasoning, cell.Reasoning) : null,
            Say(asked.Text.Output, cell.Output),
            new(first.Scratchpad ? cell.Reasoning : null, cell.Output),
            first.AlignmentFaking,
            first.Condition
        );
    }
}
