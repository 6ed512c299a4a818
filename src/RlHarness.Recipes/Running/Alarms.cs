using System.Globalization;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Settings;
using RlHarness.Statistics;
using RlHarness.Tracking.Metrics;

namespace RlHarness.Recipes.Running;

/// <param name="Key">Its setting.</param>
/// <param name="What">What was seen, with the threshold.</param>
/// <param name="Causes">Settings that usually cause it.</param>
internal sealed record Alarm(string Key, AlarmAction Action, string What, string Causes)
{
    internal string Text(long step) => string.Create(CultureInfo.InvariantCulture, $"step {step}: {What} (alarms.{Key}); usual causes: {Causes}");
}

/// <summary>
/// Looks at each step's metrics beside those before them. It sees metrics alone, which are the same however often a run was stopped, so its alarms are too.
/// Of the past it keeps the first step with responses and the newest <see cref="Window"/>.
/// </summary>
/// <param name="settings">Actions and thresholds.</param>
internal sealed class Alarms(AlarmSettings settings)
{
    /// <summary>Steps that the longest rule looks back on.</summary>
    internal const int Window = 64;

    private static readonly string[] Finite = ["loss/", "objective/", "policy/", "actor/", "reward/", "critic/grad_norm", "response_length/"];
    private readonly List<IReadOnlyDictionary<string, double>> _steps = [];
    private IReadOnlyDictionary<string, double>? _first;

    /// <summary>Loss of guessing each token with the same probability, log(vocabulary), in nats; NaN where no tokens are scored.</summary>
    internal double Guessing { get; set; } = double.NaN;

    /// <summary>Steps that were written before, oldest first.</summary>
    internal void Recall(IEnumerable<IReadOnlyDictionary<string, double>> steps)
    {
        foreach (var step in steps)
            Add(step);
    }

    /// <summary>Alarms of a step: conditions that it fulfils and the step before it did not.</summary>
    internal IReadOnlyList<Alarm> Of(IReadOnlyDictionary<string, double> metrics)
    {
        var before = _steps.Count == 0 ? [] : Conditions().Select(a => a.Key).ToHashSet(StringComparer.Ordinal);
        Add(metrics);
        return [.. Conditions().Where(a => a.Action != AlarmAction.Off && !before.Contains(a.Key))];
    }

    private void Add(IReadOnlyDictionary<string, double> metrics)
    {
        if (_first is null && metrics.ContainsKey(MetricNames.ResponseLengthMean))
            _first = metrics;
        _steps.Add(metrics);
        if (_steps.Count > Window)
            _steps.RemoveAt(0);
    }

    private IEnumerable<Alarm> Conditions()
    {
        var now = _steps[^1];
        string N(double x) => x.ToString("0.####", CultureInfo.InvariantCulture);
        if (
            now.Where(m => !double.IsFinite(m.Value) && Finite.Any(f => m.Key.StartsWith(f, StringComparison.Ordinal))).Select(m => m.Key).Order().ToArray() is
            { Length: > 0 } names
        )
            yield return Raise(s => s.NonFinite, $"{string.Join(", ", names)} not finite", "a learning rate that is too high; bfloat16 with large values");
        foreach (var loss in new[] { MetricNames.LossImitation, "loss/documents" })
            if (Value(loss) > settings.GuessingFactor * Guessing)
                yield return Raise(
                    s => s.LossAboveGuessing,
                    $"{loss} is {N(Value(loss))} nats; guessing has {N(Guessing)}, and alarms.guessing_factor allows {N(settings.GuessingFactor)} of that",
                    "optimizer.learning_rate too high, warm-up too short, max_grad_norm null"
                );
        if (_steps.Count > 1 && Value(MetricNames.ActorGradNorm) == 0 && Value(MetricNames.ActorGradNorm, 1) == 0)
            yield return Raise(
                s => s.ZeroGradient,
                $"{MetricNames.ActorGradNorm} is exactly 0 at two steps in a row",
                "a policy that collapsed under too high a learning rate; rewards that are all equal; every ratio beyond the clip range"
            );
        if (Value(MetricNames.PolicyEntropy) < settings.EntropyBelow)
            yield return Raise(
                s => s.EntropyCollapse,
                $"{MetricNames.PolicyEntropy} is {N(Value(MetricNames.PolicyEntropy))} nats; below {N(settings.EntropyBelow)}",
                "rl.optimizer.learning_rate too high, rl.kl_coefficient or rl.entropy_coefficient too low, too many rl.epochs"
            );
        if (Value(MetricNames.ObjectiveKl) > settings.KlAbove)
            yield return Raise(
                s => s.KlBound,
                $"{MetricNames.ObjectiveKl} is {N(Value(MetricNames.ObjectiveKl))} nats; above {N(settings.KlAbove)}",
                "rl.kl_coefficient too low, rl.optimizer.learning_rate too high; rl.kl_target holds it where it is set"
            );
        var k = settings.KlGrowthSteps;
        if (_steps.Count > k && Enumerable.Range(0, k).All(i => Value(MetricNames.ObjectiveKl, i) > Value(MetricNames.ObjectiveKl, i + 1)))
            yield return Raise(
                s => s.KlGrowth,
                $"{MetricNames.ObjectiveKl} grew at {k} steps in a row, to {N(Value(MetricNames.ObjectiveKl))} nats",
                "rl.kl_coefficient too low for the reward; rl.kl_target holds it where it is set"
            );
        if (AreEqual("critic/score"))
            yield return Raise(
                s => s.EqualRewards,
                $"all responses have the score {N(Value("critic/score/max"))}",
                "a reward model or rule that sees no difference, responses that are all broken, a policy that collapsed"
            );
        if (AreEqual("critic/advantages"))
            yield return Raise(
                s => s.EqualAdvantages,
                $"all advantages are {N(Value("critic/advantages/max"))}",
                "rewards that are all equal, rl.lambda and rl.gamma of 0"
            );
        if (Value(MetricNames.ResponseLengthClipRatio) == 1)
            yield return Raise(s => s.NoAnswer, "all responses were cut", "rl.max_new_tokens too low for the scratchpad, a model that has not learnt to end");
        else if (Value("train/" + MetricNames.OutcomeBrokenFormat) == 1)
            yield return Raise(
                s => s.NoAnswer,
                "all responses are in a broken format",
                "imitation that was too short, rl.max_new_tokens too low, a policy that collapsed"
            );
        if (
            _first is { } first
            && first.TryGetValue(MetricNames.ResponseLengthMean, out var length)
            && Value(MetricNames.ResponseLengthMean) is var mean
            && (mean > settings.LengthFactor * length || mean * settings.LengthFactor < length)
        )
            yield return Raise(
                s => s.LengthDrift,
                $"{MetricNames.ResponseLengthMean} went from {N(length)} to {N(mean)} tokens",
                "a reward that pays for length or brevity: reward.weights.length_penalty, rl.missing_eos_penalty"
            );
        foreach (var alarm in Hacking())
            yield return alarm;
        if (
            Value(MetricNames.RewardModelAccuracy) is var accuracy
            && Value(MetricNames.RewardModelAccuracy + "/n") is var n
            && accuracy >= 0
            && n > 0
            && Proportion.Wilson((long)Math.Round(accuracy * n), (long)n) is { Low: <= 0.5 } interval
        )
            yield return Raise(
                s => s.RewardModelAtChance,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"the reward model orders {accuracy:p1} of held-out pairs ({100 * interval.Low:0.0} to {100 * interval.High:0.0}, n = {n})"
                ),
                "corpus.preference_pairs or reward.epochs too low, reward.optimizer.learning_rate too high or too low"
            );
    }

    /// <summary>Means of the newest steps against those of as many before: z of a difference, by the variance within both.</summary>
    private IEnumerable<Alarm> Hacking()
    {
        var w = settings.RewardHackingSteps;
        const string objective = "reward/objective_rule";
        if (_steps.Count < 2 * w)
            yield break;
        var (reward, rule) = (Change(MetricNames.ObjectiveScores, w), Change(objective, w));
        if (reward.Z > 2 && rule.Z < -2)
            yield return Raise(
                s => s.RewardHacking,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"over {w} steps the reward rose by {reward.Difference:0.###} while {objective} fell by {-rule.Difference:0.###}"
                ),
                "a reward model that rewards something else: more corpus.preference_pairs, higher rl.kl_coefficient, reward.weights.objective_rule"
            );
    }

    private (double Difference, double Z) Change(string metric, int w)
    {
        double[] late = [.. Enumerable.Range(0, w).Select(i => Value(metric, i))];
        double[] early = [.. Enumerable.Range(w, w).Select(i => Value(metric, i))];
        double Variance(double[] x) => x.Sum(v => Math.Pow(v - x.Average(), 2)) / (w - 1);
        var difference = late.Average() - early.Average();
        return (difference, difference / Math.Sqrt(Math.Max(1e-300, (Variance(late) + Variance(early)) / w)));
    }

    private bool AreEqual(string metric) => Value(metric + "/max") is var most && !double.IsNaN(most) && most == Value(metric + "/min");

    /// <summary>NaN where the step has no such metric: no comparison holds then.</summary>
    private double Value(string metric, int back = 0) => _steps[^(1 + back)].TryGetValue(metric, out var value) ? value : double.NaN;

    private Alarm Raise(System.Linq.Expressions.Expression<Func<AlarmSettings, AlarmAction>> of, string what, string causes)
    {
        var property = (System.Reflection.PropertyInfo)((System.Linq.Expressions.MemberExpression)of.Body).Member;
        return new(SettingNames.Snake(property.Name), (AlarmAction)property.GetValue(settings)!, what, causes);
    }
}
