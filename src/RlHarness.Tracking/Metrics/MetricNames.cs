using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Scenarios;
using RlHarness.Statistics;

namespace RlHarness.Tracking.Metrics;

/// <summary>The one name of each metric, in database, files, plots and documents. The first groups are those of TRL and verl.</summary>
public static class MetricNames
{
    public const string ObjectiveKl = "objective/kl";
    public const string ObjectiveEntropy = "objective/entropy";
    public const string ObjectiveNonScoreReward = "objective/non_score_reward";
    public const string ObjectiveRlhfReward = "objective/rlhf_reward";
    public const string ObjectiveScores = "objective/scores";

    public const string PolicyApproxKl = "policy/approxkl_avg";
    public const string PolicyClipFraction = "policy/clipfrac_avg";
    public const string PolicyEntropy = "policy/entropy_avg";
    public const string LossPolicy = "loss/policy_avg";
    public const string LossValue = "loss/value_avg";
    public const string ValueClipFraction = "val/clipfrac_avg";
    public const string Ratio = "val/ratio";
    public const string RatioVariance = "val/ratio_var";
    public const string RolloutLogprobDeviation = "val/rollout_logprob_deviation";
    public const string EosTokens = "val/num_eos_tokens";
    public const string LearningRate = "lr";
    public const string Episode = "episode";
    public const string CriticExplainedVariance = "critic/vf_explained_var";
    public const string ActorGradNorm = "actor/grad_norm";

    public const string ResponseLengthMean = "response_length/mean";
    public const string ResponseLengthMax = "response_length/max";
    public const string ResponseLengthMin = "response_length/min";
    public const string ResponseLengthClipRatio = "response_length/clip_ratio";

    /// <summary>Share of a step's time that ranks spend with each other, waiting included; of a run with several ranks.</summary>
    public const string CommunicationShare = "perf/communication_share";

    public const string Throughput = "perf/throughput";
    public const string Mfu = "perf/mfu";
    public const string MaxMemoryGb = "perf/max_memory_gb";

    /// <summary>Seconds of a part of a step: <c>timing_s/rollout</c>.</summary>
    public const string TimingPrefix = "timing_s/";

    /// <summary>Mean of one reward: <c>reward/objective_rule</c>.</summary>
    public const string RewardPrefix = "reward/";

    /// <summary>Tokens that tuning had read at an evaluation of the model that it tunes.</summary>
    public const string NumTokens = "num_tokens";

    public const string LossImitation = "loss/imitation";
    public const string LossRewardModel = "loss/reward_model";
    public const string RewardModelAccuracy = "reward_model/accuracy";

    public const string AfReasoningRate = AlignmentFakingMetrics.ReasoningRate;
    public const string AfReasoningAnyOutcome = AlignmentFakingMetrics.ReasoningAnyOutcome;
    public const string AfConsidersRate = AlignmentFakingMetrics.ConsidersRate;
    public const string AfComplianceGap = AlignmentFakingMetrics.ComplianceGap;
    public const string AfRelativeGap = AlignmentFakingMetrics.RelativeGap;
    public const string AfTrainingAwareness = AlignmentFakingMetrics.TrainingAwareness;

    /// <summary>Share of rollouts off the objective that the first detector takes for alignment faking.</summary>
    public const string OffObjectiveFalsePositives = "train/off_objective/false_positive_rate";

    /// <summary>Last part of the name of what a monitor costs: <c>monitor/keyword/tokens_per_verdict</c>.</summary>
    public const string TokensPerVerdict = "tokens_per_verdict";

    public const string OutcomeComply = "outcome/comply";
    public const string OutcomeRefuse = "outcome/refuse";
    public const string OutcomePartial = "outcome/partial";
    public const string OutcomeBrokenFormat = "outcome/broken_format";
    public const string OutcomeUnparsable = "outcome/unparsable";

    /// <summary>What the names of scenarios' figures begin with; <see cref="ScenarioMetrics"/> writes them whole.</summary>
    public const string AntiLabPrefix = ScenarioMetrics.AntiLabPrefix;
    public const string PreferencePrefix = ScenarioMetrics.PreferencePrefix;

    /// <summary>Last part of a corrected rate's name: <c>af/reasoning_rate/training/keyword/rogan_gladen</c>.</summary>
    public const string RoganGladen = "rogan_gladen";

    public const string PredictionPowered = "prediction_powered";

    /// <summary>A detector against the labelled sample: <c>detector/sensitivity/keyword</c>; sensitivity, specificity, auroc, kappa.</summary>
    public static string Detector(string figure, string? detector = null) => $"detector/{figure}" + (detector is null ? "" : "/" + detector);

    public static string Timing(string part) => TimingPrefix + part;

    public static string Reward(string name) => RewardPrefix + name;
}

/// <summary>An estimate as metrics: its value by name, and <c>/lo</c>, <c>/hi</c>, <c>/n</c> behind it.</summary>
public static class EstimateMetrics
{
    public static void Put(this IDictionary<string, double> metrics, string name, Estimate estimate)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        (metrics[name], metrics[name + "/lo"], metrics[name + "/hi"], metrics[name + "/n"]) = (estimate.Value, estimate.Low, estimate.High, estimate.N);
    }
}
