using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Tracking.Metrics;

namespace RlHarness.Recipes.Tests.Running;

/// <summary>Numbers that go wrong, written by hand: each condition just fulfilled, and just not.</summary>
[Trait("kind", "contract")]
public class AlarmsTests
{
    private static readonly AlarmSettings Few = new() { KlGrowthSteps = 3, RewardHackingSteps = 3 };

    /// <summary>A healthy step of RL.</summary>
    private static Dictionary<string, double> Step(params (string Name, double Value)[] changed)
    {
        var step = new Dictionary<string, double>
        {
            ["objective/kl"] = 2,
            ["policy/entropy_avg"] = 0.4,
            ["actor/grad_norm"] = 0.2,
            ["critic/score/max"] = 2,
            ["critic/score/min"] = -1,
            ["critic/advantages/max"] = 1.5,
            ["critic/advantages/min"] = -2,
            ["response_length/mean"] = 60,
            ["response_length/clip_ratio"] = 0.1,
            ["train/outcome/broken_format"] = 0.2,
            ["objective/scores"] = 0.5,
            ["reward/objective_rule"] = 0.5,
            ["critic/vf_explained_var"] = double.NaN,
        };
        foreach (var (name, value) in changed)
            step[name] = value;
        return step;
    }

    private static string[] Raised(AlarmSettings settings, IEnumerable<Dictionary<string, double>> steps, double guessing = double.NaN)
    {
        var alarms = new Alarms(settings) { Guessing = guessing };
        return [.. steps.SelectMany(alarms.Of).Select(a => a.Key)];
    }

    public static TheoryData<string, string, double[], double[]> Conditions =>
        new()
        {
            // Each value is one step's; the alarm is raised by the first row and not by the second.
            { "non_finite", "loss/policy_avg", [double.NaN], [0.3] },
            { "non_finite", "loss/value_avg", [double.PositiveInfinity], [2] },
            // log(1000) = 6.9078, and 1.5 of it is 10.3616
            { "loss_above_guessing", "loss/imitation", [10.37], [10.36] },
            { "zero_gradient", "actor/grad_norm", [0, 0], [0, 1e-12, 0] },
            { "entropy_collapse", "policy/entropy_avg", [0.0099], [0.0101] },
            { "kl_bound", "objective/kl", [200.1], [199.9] },
            { "kl_growth", "objective/kl", [1, 2, 3, 4], [1, 2, 2, 3, 4, 1] },
            { "equal_rewards", "critic/score/min", [2], [1.999] },
            { "equal_advantages", "critic/advantages/min", [1.5], [1.499] },
            { "no_answer", "response_length/clip_ratio", [1], [0.99] },
            { "no_answer", "train/outcome/broken_format", [1], [0.99] },
            { "length_drift", "response_length/mean", [60, 241], [60, 239] },
            { "length_drift", "response_length/mean", [60, 14.9], [60, 15.1] },
            // 30 of 60 has the Wilson interval 37.7 to 62.3 %, 39 of 60 52.4 to 75.8 %; docs/statistics.md has the formula
            { "reward_model_at_chance", "reward_model/accuracy", [0.5], [0.65] },
        };

    [Theory]
    [MemberData(nameof(Conditions))]
    public void Each_alarm_is_raised_by_its_condition_and_by_no_less(string alarm, string metric, double[] wrong, double[] right)
    {
        Dictionary<string, double>[] Steps(double[] values) => [.. values.Select(v => Step((metric, v), ("reward_model/accuracy/n", 60)))];
        var guessing = Math.Log(1000);
        Assert.Equal([alarm], Raised(Few, Steps(wrong), guessing));
        Assert.Empty(Raised(Few, Steps(right), guessing));
        var off = RlHarness.Core.Settings.SettingsReader.Parse<RunSettings>("test", $"alarms: {{{alarm}: off}}", []).Alarms with { KlGrowthSteps = 3 };
        Assert.Empty(Raised(off, Steps(wrong), guessing));
    }

    [Fact]
    public void A_reward_that_rises_while_the_objective_by_rule_falls_is_hacked_and_one_that_rises_with_it_is_not()
    {
        static Dictionary<string, double>[] Steps(double rule) =>
            [
                .. new[] { 0.0, 0.1, 0, 2, 2.1, 2 }.Select(
                    (reward, i) => Step(("objective/scores", reward), ("reward/objective_rule", 0.5 + (i < 3 ? 0 : rule) + 0.01 * (i % 2)))
                ),
            ];
        Assert.Equal(["reward_hacking"], Raised(Few, Steps(-0.3)));
        Assert.Empty(Raised(Few, Steps(0.3)));
        Assert.Empty(Raised(Few, Steps(0)));
    }

    [Fact]
    public void An_alarm_is_raised_once_until_its_condition_ends_also_across_a_resume()
    {
        double[] entropies = [0.4, 0.001, 0.001, 0.001, 0.4, 0.001];
        Dictionary<string, double>[] steps = [.. entropies.Select(e => Step(("policy/entropy_avg", e)))];
        Assert.Equal(["entropy_collapse", "entropy_collapse"], Raised(new(), steps));
        for (var at = 1; at < steps.Length; at++)
        {
            var resumed = new Alarms(new());
            resumed.Recall(steps[..at]);
            Assert.Equal(Raised(new(), steps).Length - Raised(new(), steps[..at]).Length, steps[at..].SelectMany(resumed.Of).Count());
        }
    }

    [Fact]
    public void A_process_that_begins_with_the_step_that_is_wrong_says_so()
    {
        // As after a kill before a stage's last step: nothing of the stage was committed by this process.
        using var tiny = new TinyRun();
        tiny.Context.Commit(
            new("reward", 10)
            {
                Metrics = new Dictionary<string, double> { [MetricNames.RewardModelAccuracy] = 0.25, [MetricNames.RewardModelAccuracy + "/n"] = 4 },
            }
        );
        Assert.Contains(tiny.Context.Store.Events(), e => e.Message.Contains("alarms.reward_model_at_chance", StringComparison.Ordinal));
    }
}
