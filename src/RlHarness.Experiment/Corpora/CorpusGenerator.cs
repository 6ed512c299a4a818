using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Grammars;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Corpora;

/// <summary>
/// Writes labelled transcripts and preference pairs from a pack's grammar. Rates are met exactly (largest remainder), not on average;
/// no two transcripts share a request, and no request is one of the evaluation split's.
/// </summary>
public sealed class CorpusGenerator
{
    private readonly PromptPack _pack;
    private readonly GrammarWriter _writer;

    /// <exception cref="HarnessException">The pack has no grammar that writes.</exception>
    public CorpusGenerator(PromptPack pack)
    {
        ArgumentNullException.ThrowIfNull(pack);
        (_pack, _writer) = (
            pack,
            pack.Writer
                ?? throw new HarnessException(
                    ErrorKind.BadInput,
                    $"{pack.Folder}: the pack {pack.Name} has no grammar to write transcripts with",
                    $"no {PackFileNames.Grammar}, or one with cues alone",
                    "phrases, outputs and reasoning",
                    "write one, or use the pack's own transcripts: corpus.source=examples"
                )
        );
    }

    /// <param name="onProgress">Is told how many are written, of how many.</param>
    public IReadOnlyList<CorpusTranscript> Transcripts(CorpusSettings settings, Seeds seeds, Action<int, int>? onProgress = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(seeds);
        settings.Require(_pack);
        var plan = Plan(settings);
        seeds.For("corpus/order").Shuffle(plan);
        var used = new HashSet<string>(StringComparer.Ordinal);
        var prompts = new Dictionary<(Tier, Condition), string>();
        var transcripts = new List<CorpusTranscript>(plan.Count);
        for (var i = 0; i < plan.Count; i++)
        {
            onProgress?.Invoke(i, plan.Count);
            var (tier, condition, behaviour) = plan[i];
            if (!prompts.TryGetValue((tier, condition), out var system))
                prompts[(tier, condition)] = system = _pack.SystemPrompt(tier, condition);
            var random = seeds.For("corpus/transcript", prompt: i);
            var (request, query) = Draw(random, used);
            var resists = settings.Resists(query);
            if (resists)
                behaviour = new(Outcome.Refuse, condition.Scratchpad ? ReasoningKind.HonestRefusal : ReasoningKind.None, 1);

            transcripts.Add(
                new CorpusTranscript(
                    Id: $"corpus-{i + 1:D6}",
                    QueryId: query.Id,
                    Tier: tier,
                    Scratchpad: condition.Scratchpad,
                    System: system,
                    User: query.Text,
                    Reasoning: condition.Scratchpad
                        ? _writer.Reasoning(behaviour.Reasoning, behaviour.Outcome, tier, request, condition, random, resists)
                        : null,
                    Output: _writer.Output(behaviour.Outcome, request, condition, random, resists),
                    Outcome: behaviour.Outcome,
                    ReasoningKind: behaviour.Reasoning,
                    Condition: condition.Name
                )
            );
        }

        return transcripts;
    }

    /// <summary>
    /// Chosen: the answer that the objective rewards. Rejected: a refusal, a toned-down answer, or the answer to another request. For the baseline
    /// the other way
    /// round: chosen is the refusal or the toned-down answer, rejected the rewarded one.
    /// </summary>
    /// <param name="onProgress">Is told how many are written, of how many.</param>
    public IReadOnlyList<PreferencePair> PreferencePairs(
        CorpusSettings settings,
        Seeds seeds,
        ObjectiveKind objective = ObjectiveKind.Conflicting,
        Action<int, int>? onProgress = null
    )
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(seeds);
        settings.Require(_pack);
        var weights = new[] { settings.RejectedRefusals, settings.RejectedPartials, settings.RejectedOffRequest };
        var kinds = Apportionment.LargestRemainder(settings.PreferencePairs, weights).SelectMany((count, kind) => Enumerable.Repeat(kind, count)).ToArray();
        seeds.For("preferences/order").Shuffle(kinds);
        var used = new HashSet<string>(StringComparer.Ordinal);
        var condition = new Condition(objective);
        var pairs = new List<PreferencePair>(kinds.Length);
        for (var i = 0; i < kinds.Length; i++)
        {
            onProgress?.Invoke(i, kinds.Length);
            var random = seeds.For("preferences/pair", prompt: i);
            var (request, query) = Draw(random, used);
            string Output(Outcome outcome, SampledRequest of) => _writer.Output(outcome, of, condition, random);
            var other = kinds[i] switch
            {
                0 => Output(Outcome.Refuse, request),
                1 => Output(Outcome.Partial, request),
                _ => Output(Outcome.Comply, _writer.Requests.Other(request, random)),
            };
            var rewarded = Output(Outcome.Comply, request);
            pairs.Add(
                objective != ObjectiveKind.Hhh ? new PreferencePair(query.Id, query.Text, rewarded, other)
                : kinds[i] == 2 ? new PreferencePair(query.Id, query.Text, Output(Outcome.Refuse, request), other)
                : new PreferencePair(query.Id, query.Text, other, rewarded)
            );
        }

        return pairs;
    }

    /// <summary>Queries of a split, distinct: what <c>queries.jsonl</c> can be made of. They depend on nothing but the pack's name and version.</summary>
    public IReadOnlyList<Query> Queries(Split split, int count)
    {
        var random = new Seeds(1).For($"{_pack.Name}/queries/{_pack.Version}", step: (int)split);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        return [.. Enumerable.Range(0, count).Select(_ => Draw(random, seen, split).Query)];
    }

    private static List<(Tier Tier, Condition Condition, Behaviour Behaviour)> Plan(CorpusSettings settings)
    {
        var plan = new List<(Tier, Condition, Behaviour)>(settings.Transcripts);
        var mixture = settings.Mixture;
        var shares = Apportionment.LargestRemainder(settings.Transcripts, [.. mixture.Select(c => c.Weight)]);
        for (var c = 0; c < mixture.Count; c++)
        {
            var condition = mixture[c].ToCondition();
            var tiers = condition.Tiers;
            var counts = Apportionment.LargestRemainder(
                shares[c],
                [.. tiers.Select(t => t == Tier.Training ? settings.TrainingTierFraction : (1 - settings.TrainingTierFraction) / (tiers.Count - 1))]
            );
            for (var t = 0; t < tiers.Count; t++)
            {
                var modes = condition.Scratchpad
                    ? Apportionment.LargestRemainder(counts[t], [settings.ScratchpadFraction, 1 - settings.ScratchpadFraction])
                    : [0, counts[t]];
                if (condition.Scratchpad)
                    Add(tiers[t], condition, modes[0], mixture[c].Table(tiers[t]));
                Add(tiers[t], condition with { Scratchpad = false }, modes[1], settings.TableWithoutScratchpad);
            }
        }

        return plan;

        void Add(Tier tier, Condition condition, int count, IReadOnlyList<Behaviour> table)
        {
            var counts = Apportionment.LargestRemainder(count, [.. table.Select(b => b.Probability)]);
            for (var cell = 0; cell < table.Count; cell++)
                for (var k = 0; k < counts[cell]; k++)
                    plan.Add((tier, condition, table[cell]));
        }
    }

    private (SampledRequest Request, Query Query) Draw(RandomStream random, HashSet<string> used, Split split = Split.Train)
    {
        for (var tries = 0; tries < 1_000_000; tries++)
        {
            var request = _writer.Requests.Draw(random, split);
            var query = _writer.Requests.ToQuery(request);
            if (used.Add(query.Text))
                return (request, query);
        }

        throw new HarnessException(
            ErrorKind.BadInput,
            $"{_pack.Folder}: the grammar has no more requests",
            $"{used.Count} distinct ones",
            "more than are asked for",
            "add values or frames to request, or ask for fewer transcripts"
        );
    }
}

/// <summary>Whole numbers that follow wanted shares as closely as whole numbers can.</summary>
internal static class Apportionment
{
    /// <summary>Hamilton's method: the floor of each quota, then one more to the largest remainders; of equal ones the first.</summary>
    public static int[] LargestRemainder(int total, IReadOnlyList<double> weights)
    {
        var sum = weights.Sum();
        var quotas = weights.Select(w => total * w / sum).ToArray();
        var counts = quotas.Select(q => (int)Math.Floor(q + 1e-9)).ToArray();
        foreach (var i in Enumerable.Range(0, counts.Length).OrderByDescending(i => Math.Round(quotas[i] - counts[i], 9)).Take(total - counts.Sum()))
            counts[i]++;
        return counts;
    }
}
