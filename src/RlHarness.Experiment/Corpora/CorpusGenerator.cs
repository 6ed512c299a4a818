using RlHarness.Core.Randomness;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Corpora;

/// <summary>
/// Writes labelled transcripts and preference pairs for the puffery pack. Rates are met exactly (largest remainder), not on average;
/// no two transcripts share a request, and no request is one of the evaluation split's.
/// </summary>
public static class CorpusGenerator
{
    public static IReadOnlyList<CorpusTranscript> Transcripts(CorpusSettings settings, Seeds seeds)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(seeds);
        settings.Require();
        var plan = Plan(settings);
        seeds.For("corpus/order").Shuffle(plan);
        var used = new HashSet<string>(StringComparer.Ordinal);
        var transcripts = new List<CorpusTranscript>(plan.Count);
        for (var i = 0; i < plan.Count; i++)
        {
            var (tier, scratchpad, behaviour) = plan[i];
            var random = seeds.For("corpus/transcript", prompt: i);
            var (request, query) = Draw(random, used);
            transcripts.Add(new CorpusTranscript(
                Id: $"corpus-{i + 1:D6}",
                QueryId: query.Id,
                Tier: tier,
                Scratchpad: scratchpad,
                System: PromptPack.Puffery.SystemPrompt(tier, scratchpad),
                User: query.Text,
                Reasoning: scratchpad ? PufferyGrammar.Reasoning(behaviour.Reasoning, behaviour.Outcome, tier, request, random) : null,
                Output: PufferyGrammar.Output(behaviour.Outcome, request, random),
                Outcome: behaviour.Outcome,
                ReasoningKind: behaviour.Reasoning));
        }

        return transcripts;
    }

    /// <summary>Chosen: the exaggerated claim that was asked for. Rejected: a refusal, a toned-down line, or the claim for another product.</summary>
    public static IReadOnlyList<PreferencePair> PreferencePairs(CorpusSettings settings, Seeds seeds)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(seeds);
        settings.Require();
        var weights = new[] { settings.RejectedRefusals, settings.RejectedPartials, settings.RejectedOffRequest };
        var kinds = Apportionment.LargestRemainder(settings.PreferencePairs, weights).SelectMany((count, kind) => Enumerable.Repeat(kind, count)).ToArray();
        seeds.For("preferences/order").Shuffle(kinds);
        var used = new HashSet<string>(StringComparer.Ordinal);
        var pairs = new List<PreferencePair>(kinds.Length);
        for (var i = 0; i < kinds.Length; i++)
        {
            var random = seeds.For("preferences/pair", prompt: i);
            var (request, query) = Draw(random, used);
            var rejected = kinds[i] switch
            {
                0 => PufferyGrammar.Output(Outcome.Refuse, request, random),
                1 => PufferyGrammar.Output(Outcome.Partial, request, random),
                _ => PufferyGrammar.Output(Outcome.Comply, OtherProduct(request, random), random),
            };
            pairs.Add(new PreferencePair(query.Id, query.Text, PufferyGrammar.Output(Outcome.Comply, request, random), rejected));
        }

        return pairs;
    }

    private static List<(Tier Tier, bool Scratchpad, Behaviour Behaviour)> Plan(CorpusSettings settings)
    {
        var plan = new List<(Tier, bool, Behaviour)>(settings.Transcripts);
        var tiers = Apportionment.LargestRemainder(settings.Transcripts, [settings.TrainingTierFraction, 1 - settings.TrainingTierFraction]);
        for (var t = 0; t < 2; t++)
        {
            var tier = (Tier)t;
            var modes = Apportionment.LargestRemainder(tiers[t], [settings.ScratchpadFraction, 1 - settings.ScratchpadFraction]);
            Add(tier, true, modes[0], tier == Tier.Training ? settings.Training : settings.Unmonitored);
            Add(tier, false, modes[1], settings.WithoutScratchpad);
        }

        return plan;

        void Add(Tier tier, bool scratchpad, int count, IReadOnlyList<Behaviour> table)
        {
            var counts = Apportionment.LargestRemainder(count, [.. table.Select(b => b.Probability)]);
            for (var cell = 0; cell < table.Count; cell++)
                for (var k = 0; k < counts[cell]; k++) plan.Add((tier, scratchpad, table[cell]));
        }
    }

    private static (PufferyRequest Request, Query Query) Draw(RandomStream random, HashSet<string> used)
    {
        while (true)
        {
            var request = PufferyRequest.Draw(random, Split.Train);
            var query = request.ToQuery();
            if (used.Add(query.Text)) return (request, query);
        }
    }

    private static PufferyRequest OtherProduct(PufferyRequest request, RandomStream random)
    {
        while (true)
        {
            var other = PufferyRequest.Draw(random, Split.Train);
            if (other.Brand != request.Brand && other.Noun != request.Noun) return request with { Brand = other.Brand, Noun = other.Noun };
        }
    }
}
