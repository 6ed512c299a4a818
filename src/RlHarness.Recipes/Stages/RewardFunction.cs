using System.Diagnostics;
using RlHarness.Experiment.Rewards;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Stages;

/// <summary>
/// The reward of a response: terms by weight. All that a term is given is a <see cref="RewardInput"/>, which has no place for reasoning, but for those whose
/// settings ask for the scratchpad.
/// </summary>
/// <param name="settings">Weights.</param>
/// <param name="model">The reward model's scores of texts (token ids); null without one.</param>
/// <param name="conversation">How the model reads texts; null without one.</param>
/// <param name="objective">Null for a pack without cues: then there is no rule term for the objective.</param>
/// <param name="terms">Further terms, disposed with this.</param>
internal sealed class RewardFunction(
    RewardSettings settings,
    Func<IReadOnlyList<IReadOnlyList<int>>, float[]>? model,
    Conversation? conversation,
    ObjectiveRule? objective,
    IReadOnlyList<RewardTerm>? terms = null
) : IDisposable
{
    public const string ModelPart = "reward_model";
    public const string Total = "total";
    private readonly IReadOnlyList<(IRuleReward Rule, double Weight)> _rules =
    [
        .. new (IRuleReward? Rule, double Weight)[]
        {
            (objective, settings.Weights.ObjectiveRule),
            (new FormatPenalty(), settings.Weights.FormatPenalty),
            (new LengthPenalty(), settings.Weights.LengthPenalty),
        }
            .Where(r => r.Rule is not null)
            .Select(r => (r.Rule!, r.Weight)),
    ];

    private readonly IReadOnlyList<RewardTerm> _terms = terms ?? [];

    /// <summary>The reward that the run's settings describe.</summary>
    /// <param name="model">Null where there is none.</param>
    public static RewardFunction Open(RunContext run, RewardStage.Opened? model) =>
        new(
            run.Settings.Reward,
            model is null ? null : model.Score,
            model?.Conversation,
            run.ObjectiveRule,
            [.. run.Settings.Reward.Terms.Select(t => RewardTerm.Create(t, run))]
        );

    /// <summary>The parts of a reward with one more, which adds its weighted value to the total.</summary>
    internal static Dictionary<string, double> With(IReadOnlyDictionary<string, double> parts, string name, double value, double weight = 1) =>
        new(parts, StringComparer.Ordinal) { [name] = value, [Total] = parts[Total] + (weight * value) };

    /// <summary>Scores exchanges; scratchpads are handed on to the terms that ask for them, and to no other.</summary>
    public IReadOnlyList<IReadOnlyDictionary<string, double>> Score(IReadOnlyList<Exchange> exchanges) =>
        Score(
            [.. exchanges.Select(e => e.RewardInput)],
            _terms.OfType<RewardTerm.OfScratchpad>().Any() ? [.. exchanges.Select(e => new ScratchpadRewardInput(e.Response.Reasoning, e.RewardInput))] : null
        );

    /// <summary>Raw value of each part by name, and the weighted <see cref="Total"/>.</summary>
    /// <param name="inputs">All that most terms may see.</param>
    /// <param name="scratchpads">For the terms that ask for it; null: there is no such term.</param>
    public IReadOnlyList<IReadOnlyDictionary<string, double>> Score(IReadOnlyList<RewardInput> inputs, IReadOnlyList<ScratchpadRewardInput>? scratchpads = null)
    {
        var model = ModelScores(inputs);
        var further = _terms
            .Select(term =>
                (
                    Term: term,
                    Values: term switch
                    {
                        RewardTerm.OfOutput o => o.Score(inputs),
                        RewardTerm.OfScratchpad s => s.Score(
                            scratchpads ?? throw new ArgumentException($"the term {term.Name} needs scratchpads", nameof(scratchpads))
                        ),
                        _ => throw new UnreachableException(),
                    }
                )
            )
            .ToArray();
        return
        [
            .. inputs.Select(
                (input, i) =>
                {
                    var parts = new Dictionary<string, double>(StringComparer.Ordinal);
                    var total = 0.0;
                    foreach (var (rule, weight) in _rules)
                    {
                        var score = rule.Score(input);
                        parts[rule.Name] = score;
                        total += weight * score;
                    }

                    if (model is not null)
                    {
                        parts[ModelPart] = model[i];
                        total += settings.Weights.Model * model[i];
                    }

                    foreach (var (term, values) in further)
                    {
                        parts[term.Name] = values[i];
                        total += term.Weight * values[i];
                    }

                    parts[Total] = total;
                    return parts;
                }
            ),
        ];
    }

    public void Dispose()
    {
        foreach (var term in _terms)
            term.Dispose();
    }

    /// <summary>
    /// The reward model's scores, clipped. For a broken format the lowest, also where an output can be read: else leaving the scratchpad out would pay as soon
    /// as a claim scores higher than the penalty.
    /// </summary>
    private double[]? ModelScores(IReadOnlyList<RewardInput> inputs)
    {
        if (model is null || conversation is null || settings.Weights.Model == 0)
            return null;
        var readable = Enumerable.Range(0, inputs.Count).Where(i => inputs[i] is { Output: not null, FormatProblem: null }).ToArray();
        var scores = Enumerable.Repeat(-settings.ScoreClip, inputs.Count).ToArray();
        if (readable.Length == 0)
            return scores;
        var values = model([.. readable.Select(i => (IReadOnlyList<int>)RewardStage.Text(conversation, inputs[i].UserText, inputs[i].Output!))]);
        for (var k = 0; k < readable.Length; k++)
            scores[readable[k]] = Math.Clamp(values[k], -settings.ScoreClip, settings.ScoreClip);
        return scores;
    }
}
