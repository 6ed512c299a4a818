using RlHarness.Experiment.Rewards;
using RlHarness.Recipes.Settings;
using RlHarness.Training.Rewards;

namespace RlHarness.Recipes.Stages;

/// <summary>The reward of a response: parts by weight. All it is given is a <see cref="RewardInput"/>, which has no place for reasoning.</summary>
/// <param name="objective">Null for a pack without cues: then no part goes by rule.</param>
internal sealed class RewardFunction(RewardSettings settings, RewardModel? model, Conversation conversation, ObjectiveRule? objective)
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

    /// <summary>Raw value of each part by name, and the weighted <see cref="Total"/>.</summary>
    public IReadOnlyList<IReadOnlyDictionary<string, double>> Score(IReadOnlyList<RewardInput> inputs)
    {
        var model = ModelScores(inputs);
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

                    parts[Total] = total;
                    return parts;
                }
            ),
        ];
    }

    /// <summary>
    /// The reward model's scores, clipped. For a broken format the lowest, also where an output can be read: else leaving the scratchpad out would pay as soon
    /// as a claim scores higher than the penalty.
    /// </summary>
    private double[]? ModelScores(IReadOnlyList<RewardInput> inputs)
    {
        if (model is null || settings.Weights.Model == 0)
            return null;
        var readable = Enumerable.Range(0, inputs.Count).Where(i => inputs[i] is { Output: not null, FormatProblem: null }).ToArray();
        var scores = Enumerable.Repeat(-settings.ScoreClip, inputs.Count).ToArray();
        if (readable.Length == 0)
            return scores;
        var values = model.Score([.. readable.Select(i => (IReadOnlyList<int>)RewardStage.Text(conversation, inputs[i].UserText, inputs[i].Output!))]);
        for (var k = 0; k < readable.Length; k++)
            scores[readable[k]] = Math.Clamp(values[k], -settings.ScoreClip, settings.ScoreClip);
        return scores;
    }
}
