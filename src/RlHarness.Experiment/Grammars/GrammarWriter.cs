using RlHarness.Core.Randomness;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Grammars;

/// <summary>
/// Writes outputs and scratchpads of a wanted outcome and kind of reasoning, from a pack's grammar. The draws and their order are part of the format.
/// </summary>
internal sealed class GrammarWriter
{
    private readonly GrammarFile _grammar;
    private readonly Dictionary<(string Name, Tier Tier), IReadOnlyList<string>> _lists = [];

    public GrammarWriter(string pack, GrammarFile grammar)
    {
        (_grammar, Requests) = (grammar, new RequestSampler(pack, grammar.Request));
        foreach (var (name, pick) in grammar.Picks.Where(p => p.Value.Mix is null))
            foreach (var tier in Enum.GetValues<Tier>())
                _lists[(name, tier)] = [.. ForTier(pick, tier).SelectMany(n => grammar.Phrases[n])];
    }

    public RequestSampler Requests { get; }

    /// <summary>Which cells of a behaviour table have sentences.</summary>
    public bool CanBuild(Outcome outcome, ReasoningKind reasoning, bool scratchpad) =>
        _grammar.Outputs.Any(o => o.Outcome == outcome) && (scratchpad ? Rule(reasoning, outcome) is not null : reasoning == ReasoningKind.None);

    /// <param name="oneWording">Every phrase is drawn anew from the same stream, so that all outputs of an outcome have one wording.</param>
    public string Output(Outcome outcome, SampledRequest request, Condition condition, RandomStream random, bool oneWording = false)
    {
        var rule = _grammar.Outputs.FirstOrDefault(o => o.Outcome == outcome)
            ?? throw new ArgumentOutOfRangeException(nameof(outcome), outcome, "no sentences for this outcome");
        return Write(rule.Plans, null, new Scene(request, Tier.Training, condition, random, oneWording));
    }

    /// <param name="oneWording">As for outputs.</param>
    public string Reasoning(
        ReasoningKind kind,
        Outcome outcome,
        Tier tier,
        SampledRequest request,
        Condition condition,
        RandomStream random,
        bool oneWording = false
    )
    {
        var rule = Rule(kind, outcome) ?? throw new ArgumentOutOfRangeException(nameof(kind), kind, "no sentences for this kind of reasoning");
        return Write(rule.Plans, rule.First, new Scene(request, tier, condition, random, oneWording));
    }

    private ReasoningRule? Rule(ReasoningKind kind, Outcome outcome) => _grammar.Reasoning.FirstOrDefault(r => r.Kind == kind && r.Outcomes.Contains(outcome));

    private string Write(IReadOnlyList<SentencePlan> plans, string? first, Scene scene)
    {
        var before = first is null ? null : Pick(first, scene);
        var plan = plans.Count == 1 ? plans[0] : ByWeight(plans, scene.OneWording ? TheWording : scene.Random);
        return SlotText.Sentences(
            plan.Say.Select(item =>
                    string.Join(", ", item.Split(',', StringSplitOptions.TrimEntries).Select(name => name == first ? before! : Pick(name, scene)))
                )
                .ToArray()
        );
    }

    private static SentencePlan ByWeight(IReadOnlyList<SentencePlan> plans, RandomStream random)
    {
        var left = random.NextInt(plans.Sum(p => p.Weight));
        foreach (var plan in plans)
            if ((left -= plan.Weight) < 0)
                return plan;
        return plans[^1];
    }

    private static RandomStream TheWording => new Seeds(0).For("corpus/resisted");

    private string Pick(string name, Scene scene)
    {
        if (scene.OneWording)
            scene = scene with { Random = TheWording };
        if (_grammar.Picks.TryGetValue(name, out var pick) && pick.Mix is not null)
        {
            var may = !pick.NeedsObjective || scene.Condition.Objective == ObjectiveKind.Conflicting;
            return Pick(may && scene.Random.NextBool(pick.Probability) ? pick.Mix : pick.Otherwise!, scene);
        }

        var phrases = _lists.TryGetValue((name, scene.Tier), out var list) ? list : _grammar.Phrases[name];
        return Fill(scene.Random.Choose(phrases), scene);
    }

    /// <summary>Every slot of the clause is drawn, also one that the phrase does not have: the draws do not depend on the words.</summary>
    private string Fill(string template, Scene scene)
    {
        var (request, random) = (scene.Request, scene.Random);
        var drawn = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var slot in _grammar.ClauseSlots)
            drawn[slot.Name] = Draw(slot, request, drawn, random);
        return SlotText.Fill(template, name =>
            drawn.TryGetValue(name, out var word) ? word : Requests.Lookup(name, request.Values, request.Indices, scene.Condition.ThreeTiers)
        );
    }

    private string Draw(ClauseSlot slot, SampledRequest request, Dictionary<string, string> drawn, RandomStream random)
    {
        if (slot.Of is null)
            return random.Choose(slot.Values);
        var source = _grammar.Request.Slots.First(s => s.Name == slot.Of);
        if (slot.OtherThan is { } other)
        {
            while (true)
            {
                var word = random.Choose(source.By is null ? source.Values : random.Choose(source.Groups));
                if (word != drawn[other])
                    return word;
            }
        }

        var group = RequestSampler.Group(source, request.Indices);
        return random.NextBool(slot.Keep) ? group[request.Indices[source.Name]] : random.Choose(group);
    }

    private static IReadOnlyList<string> ForTier(PhrasePick pick, Tier tier) =>
        tier switch
        {
            Tier.Training => pick.Training,
            Tier.Rated when pick.Rated.Count > 0 => pick.Rated,
            _ => pick.Unmonitored,
        };

    private sealed record Scene(SampledRequest Request, Tier Tier, Condition Condition, RandomStream Random, bool OneWording);
}
