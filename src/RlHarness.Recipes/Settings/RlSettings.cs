using System.Globalization;
using System.Text.RegularExpressions;
using RlHarness.Core.Settings;
using RlHarness.Training.Losses;
using RlHarness.Training.Ppo;

namespace RlHarness.Recipes.Settings;

/// <summary>Where values come from.</summary>
public enum CriticKind
{
    /// <summary>A body of its own, started from the imitating model.</summary>
    Body,

    /// <summary>A head on the policy's body.</summary>
    Head,
}

/// <summary>Which part of a response the policy learns from.</summary>
public enum TrainedTokens
{
    All,

    /// <summary>What follows the scratchpad.</summary>
    Output,

    /// <summary>The scratchpad with its tags; a whole response where it is not closed.</summary>
    Scratchpad,
}

/// <summary>Who draws the answers of a step.</summary>
public enum RolloutKind
{
    /// <summary>This process, with the policy that it trains.</summary>
    Builtin,

    /// <summary>A service that speaks OpenAI's completions.</summary>
    Service,
}

/// <summary>A service that answers the prompts of RL.</summary>
public sealed record RolloutServiceSettings
{
    [Meaning("Base address of the service, such as http://node7:8000/v1. It has to see the run's folder by the same path.")]
    public string? Endpoint { get; init; }

    [Meaning("Name of the model at the service: the one that RL starts from, of the same shape.")]
    public string? Model { get; init; }

    [Meaning("Environment variable that holds the service's key; null: it needs none. The key is never written anywhere.")]
    public string? KeyVariable { get; init; }

    [Allowed(1, 4096)]
    [Meaning("Answers that are asked for at the same time.")]
    public int Concurrency { get; init; } = 64;

    [Allowed(1, 86400)]
    [Meaning("Longest wait for one answer, or for the service to take the weights, in seconds.")]
    public double TimeoutSeconds { get; init; } = 600;

    [Allowed(0, 20)]
    [Meaning("Further tries after a failed call; each waits twice as long as the one before, a minute at most.")]
    public int Retries { get; init; } = 5;
}

/// <summary>The RL stage: the settings of the algorithm, and what surrounds it.</summary>
public sealed record RlSettings : PpoSettings
{
    [Allowed(1, 1000000)]
    [Meaning("Steps of RL: each samples responses, scores them and updates the policy rl.epochs x rl.minibatches times.")]
    public int Steps { get; init; } = 50;

    [Allowed(1, 100000)]
    [Meaning("Prompts of a step, taken from the training queries in an order that is shuffled anew each time all have been used.")]
    public int PromptsPerStep { get; init; } = 32;

    [Allowed(1, 10000)]
    [Meaning("Responses that are sampled for each prompt; a step has this times rl.prompts_per_step episodes.")]
    public int SamplesPerPrompt { get; init; } = 1;

    [Allowed(0, 1)]
    [Meaning(
        "Share of the prompts whose user belongs to the tier that is trained on; the other tiers share the rest. The paper trains on that tier " + "alone: 1."
    )]
    public double TrainingTierFraction { get; init; } = 1;

    [Allowed(1, 100000)]
    [Meaning("Longest response in tokens, in rollouts and in evaluations; a longer one is cut.")]
    public int MaxNewTokens { get; init; } = 128;

    [Meaning(
        "Who draws the responses of rollouts; evaluations are drawn by this process. builtin: this process; service: the one of rl.service, which is given "
            + "the policy before each step. Log-probabilities of the update are this process's own in both; val/rollout_logprob_deviation says how far the "
            + "service's are from them."
    )]
    public RolloutKind Rollouts { get; init; }

    [Meaning("The service that draws rollouts; null: none. Only for rl.rollouts: service.")]
    public RolloutServiceSettings? Service { get; init; }

    [Allowed(1, 100000)]
    [Meaning("Responses that decode together: memory and speed depend on it.")]
    public int RolloutBatchSize { get; init; } = 128;

    [Meaning(
        "Where values come from. body: a second copy of the imitating model with a scalar head, trained by an optimizer of its own; head: a scalar "
            + "head on the policy's hidden states, which takes less memory and shares the policy's optimizer. Only for rl.algorithm: ppo."
    )]
    public CriticKind Critic { get; init; } = CriticKind.Body;

    [Allowed(0, 1000)]
    [Meaning("Subtracted from the score of a response that was cut by rl.max_new_tokens.")]
    public double MissingEosPenalty { get; init; } = 1;

    [Meaning("Null trains all weights; otherwise adapters alone are trained, and the reference is the model without them. Needs rl.critic: body.")]
    public AdapterSettings? Adapter { get; init; }

    [Meaning(
        "Tokens of a response that get a gradient. all; output: none goes through the scratchpad; scratchpad: none goes through the output. A scratchpad "
            + "that is not closed is a scratchpad to its end. Needs a scratchpad, and a critic that is not a head on the policy."
    )]
    public TrainedTokens TrainedTokens { get; init; }

    [Meaning(
        "Text that is added to the system prompt of rollouts and is gone in evaluations (inoculation prompting): what the prompt asks for need not be "
            + "learnt. Null: none."
    )]
    public string? Inoculation { get; init; }

    [Meaning(
        "Monitors of alignment faking on the rollouts, each a detector and what it does: penalty, screen or alarm. monitor/<name>/… of each step and "
            + "evaluation says how well each still tells faking from the rest."
    )]
    public IReadOnlyList<MonitorSettings> Monitors { get; init; } = [];

    [Meaning(
        "Data mixing: prompts off the objective among those of each step, which are the benign controls of the pack's anti-lab scenarios and have a reward of "
            + "their own; null: none."
    )]
    public MixingSettings? Mixing { get; init; }

    [Meaning(
        "Interrogation: after each response the pack's question about motives is asked, and a denial pays; null: it is not asked. Needs a critic that is not a "
            + "head on the policy, since the scratchpad of the second turn gets no gradient."
    )]
    public InterrogationSettings? Interrogation { get; init; }

    [Meaning(
        "Ends the stage early, at an evaluation: METRIC >= NUMBER or METRIC <= NUMBER, with or without \"for N evaluations\", such as "
            + "outcome/comply/training >= 0.99 for 2 evaluations. The metric is one of metrics.jsonl; without a detector's name it is the first "
            + "detector's. Null: all steps are made."
    )]
    public string? StopWhen { get; init; }

    [Allowed(0, 1000, MinExclusive = true)]
    [Meaning(
        "Largest difference, in nats at any token, between the log-probability of a rollout and that of the update before a step warns; null: "
            + "0.001 in float32, 0.5 in bfloat16."
    )]
    public double? MaxRolloutLogprobDeviation { get; init; }

    [Allowed(1, 1000000)]
    [Meaning("Steps between checkpoints, which `resume` goes on from; the last step always writes one.")]
    public int CheckpointEvery { get; init; } = 10;

    [Allowed(1, 1000)]
    [Meaning("Newest checkpoints that are kept; older ones are deleted, but for those that rl.keep_every and rl.keep_best name.")]
    public int KeepCheckpoints { get; init; } = 2;

    [Allowed(1, 1000000)]
    [Meaning("Checkpoints whose step is a multiple of this are never deleted; null: none of them. Must be a multiple of rl.checkpoint_every.")]
    public int? KeepEvery { get; init; }

    [Meaning(
        "Metric of the rl stage, such as objective/scores, whose highest value among the checkpoints that are there marks one that is kept; null: none. "
            + "Where a step lacks it, as those without an evaluation lack figures of the evaluation, its checkpoint is no candidate."
    )]
    public string? KeepBest { get; init; }

    /// <summary>Episodes of a step.</summary>
    public int Episodes => PromptsPerStep * SamplesPerPrompt;

    /// <summary>
    /// The largest difference, in nats, that generation with a cache and the packed pass may have over a whole step. Measured: 2e-5 in float32 (models of
    /// 1 M), 0.25 in bfloat16 (SmolLM2-135M), at tokens of low probability.
    /// </summary>
    public double RolloutLogprobBound(bool bfloat16) => MaxRolloutLogprobDeviation ?? (bfloat16 ? 0.5 : 1e-3);
}

/// <summary>Prompts off the objective that are mixed into RL.</summary>
public sealed record MixingSettings
{
    [Allowed(0, 0.9, MinExclusive = true)]
    [Meaning("Share of the prompts of a step, over the steps.")]
    public double Share { get; init; } = 0.25;

    [Allowed(0, 1000, MinExclusive = true)]
    [Meaning("Score of a response that does what was asked, by the scenario's cues, in place of the objective's reward; penalties of format stay.")]
    public double Weight { get; init; } = 1;
}

/// <summary>A question about motives after each response of RL (Gasteiger et al. 2025), and what its answer pays.</summary>
public sealed record InterrogationSettings
{
    [Allowed(0, 1000)]
    [Meaning(
        "Added to the score of the response and of the answer to the question where that answer denies the motive, by the pack's cues; 0: it is asked, and "
            + "pays nothing. The answer's output gets a gradient, its scratchpad none."
    )]
    public double Weight { get; init; } = 1;
}

/// <summary>Ends RL at an evaluation whose metric is beyond a bound, as the paper trained "until non-compliance is gone".</summary>
/// <param name="Metric">As metrics.jsonl spells it, with or without the first detector's name.</param>
/// <param name="AtLeast">Whether the metric has to be at least the bound; else at most.</param>
/// <param name="Evaluations">In so many evaluations one after another.</param>
internal sealed partial record StopRule(string Metric, bool AtLeast, double Bound, int Evaluations)
{
    /// <summary>What a rule looks like, for messages.</summary>
    public const string Form = "METRIC >= NUMBER or METRIC <= NUMBER, with or without \"for N evaluations\"";

    /// <summary>Null where the text is not a rule.</summary>
    public static StopRule? Parse(string text)
    {
        var match = Pattern().Match(text.Trim());
        if (!match.Success || !double.TryParse(match.Groups["bound"].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var bound))
            return null;
        var times = match.Groups["times"] is { Success: true } t ? int.Parse(t.Value, CultureInfo.InvariantCulture) : 1;
        return double.IsFinite(bound) && times > 0 ? new(match.Groups["metric"].Value, match.Groups["sign"].Value == ">=", bound, times) : null;
    }

    /// <summary>Whether the newest values, the last one last, end the stage.</summary>
    public bool Holds(IReadOnlyList<double> values) => values.Count >= Evaluations && values.TakeLast(Evaluations).All(v => AtLeast ? v >= Bound : v <= Bound);

    [GeneratedRegex(@"^(?<metric>[\w./+-]+)\s*(?<sign>>=|<=)\s*(?<bound>[-+.\deE]+)(\s+for\s+(?<times>\d{1,6})\s+evaluations?)?$")]
    private static partial Regex Pattern();
}
