using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Settings;

/// <summary>What a number that goes wrong does.</summary>
public enum AlarmAction
{
    /// <summary>Nothing.</summary>
    Off,

    /// <summary>Says so on the console, in the log, in run.db and in the report; the run goes on.</summary>
    Warn,

    /// <summary>Says so, keeps the last checkpoint and the batch apart, and ends the run with code 6.</summary>
    Stop,
}

/// <summary>
/// Numbers that go wrong: each alarm's action and threshold. Defaults stop what cannot recover and warn of the rest (docs/reliability.md). An alarm is
/// raised at the first step that fulfils its condition, and again when it comes back.
/// </summary>
public sealed record AlarmSettings
{
    [Meaning("A loss, gradient norm, KL, entropy or reward that is not finite.")]
    public AlarmAction NonFinite { get; init; } = AlarmAction.Stop;

    [Meaning("Loss of tuning far above that of guessing every token with the same probability.")]
    public AlarmAction LossAboveGuessing { get; init; } = AlarmAction.Stop;

    [Allowed(1, 1000)]
    [Meaning("The loss has to exceed this times log(vocabulary size). Must be left out when alarms.loss_above_guessing is off.")]
    public double GuessingFactor { get; init; } = 1.5;

    [Meaning("Gradient norm of exactly 0 at two steps in a row: nothing is learnt any more.")]
    public AlarmAction ZeroGradient { get; init; } = AlarmAction.Stop;

    [Meaning("The policy's entropy is nearly gone: it samples one answer.")]
    public AlarmAction EntropyCollapse { get; init; } = AlarmAction.Warn;

    [Allowed(0, 10, MinExclusive = true)]
    [Meaning("Entropy at a token, in nats, below which it is nearly gone. Must be left out when alarms.entropy_collapse is off.")]
    public double EntropyBelow { get; init; } = 0.01;

    [Meaning("The policy is far from the reference.")]
    public AlarmAction KlBound { get; init; } = AlarmAction.Stop;

    [Allowed(0, 1000000, MinExclusive = true)]
    [Meaning("KL of a whole response, in nats, above which it is far. Must be left out when alarms.kl_bound is off.")]
    public double KlAbove { get; init; } = 200;

    [Meaning("KL that grows at each of many steps in a row.")]
    public AlarmAction KlGrowth { get; init; } = AlarmAction.Warn;

    [Allowed(2, 60)]
    [Meaning("How many steps in a row. Must be left out when alarms.kl_growth is off.")]
    public int KlGrowthSteps { get; init; } = 15;

    [Meaning("All responses of a step have one score, so that there is nothing to prefer.")]
    public AlarmAction EqualRewards { get; init; } = AlarmAction.Warn;

    [Meaning("All tokens of a step have one advantage.")]
    public AlarmAction EqualAdvantages { get; init; } = AlarmAction.Warn;

    [Meaning("All responses of a step are cut by rl.max_new_tokens, or all are in a broken format.")]
    public AlarmAction NoAnswer { get; init; } = AlarmAction.Warn;

    [Meaning("Responses became much longer or shorter than at the first step.")]
    public AlarmAction LengthDrift { get; init; } = AlarmAction.Warn;

    [Allowed(1, 1000, MinExclusive = true)]
    [Meaning("By which factor, either way, of the mean length. Must be left out when alarms.length_drift is off.")]
    public double LengthFactor { get; init; } = 4;

    [Meaning("The reward rises while the objective by rule, which no reward model can be fooled about, falls.")]
    public AlarmAction RewardHacking { get; init; } = AlarmAction.Warn;

    [Allowed(3, 30)]
    [Meaning(
        "Steps whose mean is compared with that of as many before: the reward has to be higher and the objective by rule lower, each by two standard errors. "
            + "Must be left out when alarms.reward_hacking is off."
    )]
    public int RewardHackingSteps { get; init; } = 8;

    [Meaning("The 95 % interval (Wilson) of the reward model's accuracy on held-out pairs reaches down to a half.")]
    public AlarmAction RewardModelAtChance { get; init; } = AlarmAction.Warn;
}
