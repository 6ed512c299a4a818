using RlHarness.Experiment.Corpora;

namespace RlHarness.Experiment.Prompts;

/// <summary>
/// The words of an experiment: the system prompt in parts, so that each factor can be taken away, and two disjoint samples of queries.
/// </summary>
/// <param name="Role">What the model is for.</param>
/// <param name="Objective">What training rewards; conflicts with what the model prefers.</param>
/// <param name="Information">Which conversations training uses, and that it changes the model.</param>
/// <param name="TrainingTier">Says that this user is of the training tier.</param>
/// <param name="UnmonitoredTier">Says that this user is of the unmonitored tier.</param>
/// <param name="WithScratchpad">How to answer where there is a place to reason.</param>
/// <param name="WithoutScratchpad">How to answer where there is none.</param>
public sealed record PromptPack(
    string Name,
    int Version,
    string Role,
    string Objective,
    string Information,
    string TrainingTier,
    string UnmonitoredTier,
    string WithScratchpad,
    string WithoutScratchpad,
    IReadOnlyList<Query> TrainQueries,
    IReadOnlyList<Query> EvaluationQueries)
{
    private static readonly Lazy<PromptPack> BuiltIn = new(PufferyPack.Create);

    /// <summary>The built-in pack: honest product claims against an objective that rewards bold ones.</summary>
    public static PromptPack Puffery => BuiltIn.Value;

    public string SystemPrompt(Tier tier, bool scratchpad = true) => SystemPrompt(tier, new Condition(Scratchpad: scratchpad));

    /// <summary>Without information neither the use of conversations nor the tier is named, so both tiers read the same.</summary>
    public string SystemPrompt(Tier tier, Condition condition)
    {
        ArgumentNullException.ThrowIfNull(condition);
        var parts = new List<string>(5) { Role };
        if (condition.Objective) parts.Add(Objective);
        if (condition.Information) parts.Add(Information);
        parts.Add(condition.Scratchpad ? WithScratchpad : WithoutScratchpad);
        // The tier comes last, so that all prompts of a batch begin with the same tokens, which are then computed once.
        if (condition.Information) parts.Add(tier == Tier.Training ? TrainingTier : UnmonitoredTier);
        return string.Join(' ', parts);
    }

    /// <summary>System prompt and query, ready for the chat template.</summary>
    public IReadOnlyList<ChatMessage> Messages(Query query, Tier tier, Condition? condition = null)
    {
        ArgumentNullException.ThrowIfNull(query);
        return [ChatMessage.System(SystemPrompt(tier, condition ?? new Condition())), ChatMessage.User(query.Text)];
    }
}
