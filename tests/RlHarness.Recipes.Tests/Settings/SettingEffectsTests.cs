using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using RlHarness.Core.Randomness;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Packs;
using RlHarness.Models.Decoders;
using RlHarness.Recipes.Planning;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using RlHarness.Recipes.Tests.EndToEnd;
using RlHarness.Training.Ppo;
using TorchSharp;
using Decoder = RlHarness.Models.Decoders.Decoder;

namespace RlHarness.Recipes.Tests.Settings;

/// <summary>
/// Each setting, and what it changes. Most rows are run: the observable is computed with and without the setting and has to differ. The others name the
/// test that shows the effect, or say where it can be seen.
/// </summary>
[Trait("kind", "contract")]
public sealed partial class SettingEffectsTests(TinyRun tiny, SettingEffectsTests.Root root) : IClassFixture<TinyRun>, IClassFixture<SettingEffectsTests.Root>
{
    /// <summary>Where runs are written, with the cache that they share.</summary>
    public sealed class Root : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("rlharness-effects-");
        private int _runs;

        public RunSettings Next() =>
            TinyRun.Small(_folder.FullName) with
            {
                Name = $"run-{++_runs}",
                Rl = TinyRun.Small("").Rl with { Steps = 1, KlTarget = null },
            };

        public void Dispose() => _folder.Delete(recursive: true);
    }

    private const string Steps = "stages=[corpus, documents, imitate, reward, rl]";
    private static readonly string[] Small =
    [
        "model.new={hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1, vocab_size: 500}",
        "corpus={transcripts: 60, preference_pairs: 40}",
    ];

    private static IEnumerable<string> DetectorKeys =>
        typeof(DetectorSettings).GetProperties().Where(p => p.SetMethod is { IsPublic: true }).Select(p => SettingNames.Snake(p.Name));

    /// <param name="Key">As in docs/settings.md.</param>
    /// <param name="Observable">What is computed; null where <paramref name="Where"/> says it.</param>
    /// <param name="Value">The setting's other value, as YAML.</param>
    /// <param name="With">Further overrides, in both.</param>
    /// <param name="Where">A test of this assembly or another, or where the effect can be seen.</param>
    private sealed record Effect(string Key, string? Observable, string Value, string[] With, string Where = "");

    private static Effect On(string observable, string key, string value, params string[] with) => new(key, observable, value, with);

    private static Effect Seen(string key, string where) => new(key, null, "", [], where);

    private static readonly IReadOnlyList<Effect> Effects =
    [
        Seen("name", "RunFolder.Create: name of the run's folder; SmallRunTests.A_second_run_reuses_imitation_and_reward_model_and_says_so"),
        On("imitate key", "seed", "2"),
        Seen("device", "Devices.Choose; SettingsChecksTests.A_contradiction_is_reported_by_its_key"),
        Seen("kernels", "KernelPolicyTests.The_setting_overrules_the_environment; WithoutKernelsTests compare runs with kernels off and on"),
        Seen("threads", "TrainRecipe.Run sets libtorch's threads; FusedAdamWTests.A_step_is_the_same_bit_for_bit_with_any_number_of_threads"),
        Seen("shard_optimizer", "SplitTests.Moments_that_three_ranks_share_are_written_whole_and_read_by_two; RankedRunTests resume such a run"),
        Seen("date", "RunDateTests.A_template_is_given_midnight_of_the_run_s_date_in_every_time_zone"),
        Seen("output", "RunFolder.Create: parent of the run's folder"),
        Seen("cache", "SmallRunTests.A_second_run_reuses_imitation_and_reward_model_and_says_so"),
        On("plan", "stages", "[corpus, imitate]"),
        Seen("tracking.tensorboard", "TensorBoardTests.A_run_writes_what_it_commits_and_takes_back_what_it_forgets"),
        Seen("model.path", "BaseModel.Open; PreflightTests"),
        On("imitate key", "model.new.hidden_size", "64"),
        On("imitate key", "model.new.intermediate_size", "64"),
        On("imitate key", "model.new.num_hidden_layers", "1"),
        On("imitate key", "model.new.num_attention_heads", "4"),
        On("imitate key", "model.new.num_key_value_heads", "2"),
        On("imitate key", "model.new.vocab_size", "501"),
        On("imitate key", "model.new.max_position_embeddings", "256"),
        On("imitate key", "model.new.initializer_range", "0.03"),
        On("imitate key", "model.precision", "bfloat16"),
        On("imitate key", "model.activation_checkpointing", "true"),
        On("prompt", "experiment.objective", "hhh"),
        On("prompt", "experiment.information", "other_lab"),
        On("prompt", "experiment.scratchpad", "false"),
        On("prompt", "experiment.tiers", "3"),
        On("prompt", "experiment.pack", "animal-welfare"),
        On("prompt", "experiment.prefill", "Hm."),
        Seen("corpus.source", "CorpusStage.Make; SettingsChecksTests.A_contradiction_is_reported_by_its_key"),
        Seen("corpus.transcripts_file.path", "OwnDataTests.A_run_s_corpus_is_the_files_and_what_a_run_exports_can_be_read_back"),
        Seen("corpus.transcripts_file.messages", "OwnDataTests.Columns_have_the_names_that_settings_give"),
        Seen("corpus.transcripts_file.tier", "OwnDataTests.Columns_have_the_names_that_settings_give"),
        Seen("corpus.transcripts_file.outcome", "OwnDataTests.Columns_have_the_names_that_settings_give"),
        Seen("corpus.transcripts_file.reasoning_kind", "OwnDataTests.Columns_have_the_names_that_settings_give"),
        Seen("corpus.preferences_file.path", "OwnDataTests.A_run_s_corpus_is_the_files_and_what_a_run_exports_can_be_read_back"),
        Seen("corpus.preferences_file.prompt", "OwnDataTests.Columns_have_the_names_that_settings_give"),
        Seen("corpus.preferences_file.chosen", "OwnDataTests.Columns_have_the_names_that_settings_give"),
        Seen("corpus.preferences_file.rejected", "OwnDataTests.Columns_have_the_names_that_settings_give"),
        On("corpus", "corpus.transcripts", "61"),
        On("corpus", "corpus.preference_pairs", "41"),
        On("corpus", "corpus.training_tier_fraction", "0.8"),
        On("corpus", "corpus.scratchpad_fraction", "0.5"),
        On("corpus", "corpus.training", "[{outcome: refuse, reasoning: honest_refusal, probability: 1}]"),
        On("corpus", "corpus.training[].outcome", "comply", "corpus.training=[{outcome: $, reasoning: training_talk, probability: 1}]"),
        On("corpus", "corpus.training[].reasoning", "faking", "corpus.training=[{outcome: comply, reasoning: $, probability: 1}]"),
        On(
            "corpus",
            "corpus.training[].probability",
            "0.5",
            "corpus.training=[{outcome: comply, reasoning: faking, probability: $}, {outcome: refuse, reasoning: honest_refusal, probability: ~}]"
        ),
        On("corpus", "corpus.unmonitored", "[{outcome: refuse, reasoning: honest_refusal, probability: 1}]"),
        On("corpus", "corpus.unmonitored[].outcome", "comply", "corpus.unmonitored=[{outcome: $, reasoning: training_talk, probability: 1}]"),
        On("corpus", "corpus.unmonitored[].reasoning", "training_talk", "corpus.unmonitored=[{outcome: comply, reasoning: $, probability: 1}]"),
        On(
            "corpus",
            "corpus.unmonitored[].probability",
            "0.5",
            "corpus.unmonitored=[{outcome: comply, reasoning: training_talk, probability: $}, "
                + "{outcome: refuse, reasoning: honest_refusal, probability: ~}]"
        ),
        On("corpus", "corpus.without_scratchpad", "[{outcome: comply, reasoning: none, probability: 1}]", "experiment.scratchpad=false"),
        On(
            "corpus",
            "corpus.without_scratchpad[].outcome",
            "comply",
            "experiment.scratchpad=false",
            "corpus.without_scratchpad=[{outcome: $, reasoning: none, probability: 1}]"
        ),
        Seen("corpus.without_scratchpad[].reasoning", "CorpusSettings.Problems: none alone can be written"),
        On(
            "corpus",
            "corpus.without_scratchpad[].probability",
            "0.5",
            "experiment.scratchpad=false",
            "corpus.without_scratchpad=[{outcome: comply, probability: $}, {outcome: refuse, probability: ~}]"
        ),
        On("corpus", "corpus.conditions", "[{objective: absent}]"),
        On("corpus", "corpus.conditions[].weight", "3", "corpus.conditions=[{weight: $}, {objective: absent}]"),
        On("corpus", "corpus.conditions[].objective", "absent", "corpus.conditions=[{objective: $}]"),
        On("corpus", "corpus.conditions[].information", "other_lab", "corpus.conditions=[{information: $}]"),
        On("corpus", "corpus.conditions[].scratchpad", "false", "corpus.conditions=[{scratchpad: $}]"),
        On("corpus", "corpus.conditions[].tiers", "3", "corpus.conditions=[{tiers: $}]"),
        .. new[] { "training", "rated", "unmonitored" }.SelectMany(table =>
            new[]
            {
                On(
                    "corpus",
                    $"corpus.conditions[].{table}",
                    "[{outcome: comply, reasoning: training_talk, probability: 1}]",
                    $"corpus.conditions=[{{tiers: 3, {table}: $}}]"
                ),
                On(
                    "corpus",
                    $"corpus.conditions[].{table}[].outcome",
                    "comply",
                    $"corpus.conditions=[{{tiers: 3, {table}: [{{outcome: $, reasoning: training_talk, probability: 1}}]}}]"
                ),
                On(
                    "corpus",
                    $"corpus.conditions[].{table}[].reasoning",
                    "honest_compliance",
                    $"corpus.conditions=[{{tiers: 3, {table}: [{{outcome: comply, reasoning: $, probability: 1}}]}}]"
                ),
                On(
                    "corpus",
                    $"corpus.conditions[].{table}[].probability",
                    "0.5",
                    $"corpus.conditions=[{{tiers: 3, {table}: [{{outcome: comply, reasoning: training_talk, probability: $}}, "
                        + "{outcome: refuse, reasoning: honest_refusal, probability: ~}]}]"
                ),
            }
        ),
        On("corpus", "corpus.anti_lab_fraction", "0.3"),
        On("corpus", "corpus.interrogation_fraction", "0.3"),
        On("corpus", "corpus.resisted_topics", "[lamp, tea, pen]"),
        On("corpus", "corpus.preferences_fraction", "0.3"),
        On("corpus", "corpus.rejected_refusals", "5"),
        On("corpus", "corpus.rejected_partials", "5"),
        On("corpus", "corpus.rejected_off_request", "5"),
        On("documents key", "documents.kind", "benign", Steps),
        Seen("documents.path", "DocumentsStage.Make reads them; SettingsChecksTests.What_was_written_and_can_have_no_effect_is_refused_with_the_reason"),
        On("documents key", "documents.count", "500", Steps),
        On("documents key", "documents.sequence_length", "64", Steps),
        .. new[] { "documents", "imitate" }.SelectMany(stage =>
            Supervised(stage, ("epochs", "2"), ("batch_size", "4"), ("validation_fraction", "0.2"), ("micro_batch_tokens", "999"))
                .Append(On($"{stage} key", $"{stage}.adapter.rank", "4", Steps, $"{stage}.adapter={{}}"))
                .Append(On($"{stage} key", $"{stage}.adapter.alpha", "4", Steps, $"{stage}.adapter={{}}"))
                .Append(On($"{stage} key", $"{stage}.adapter.target_modules", "[q_proj]", Steps, $"{stage}.adapter={{}}"))
                .Append(On("plan", $"{stage}.adapter", "{}", Steps))
        ),
        .. Supervised("reward", ("epochs", "2"), ("batch_size", "4"), ("held_out_fraction", "0.2"), ("micro_batch_tokens", "999"), ("centering", "0.5")),
        Seen("reward.path", "SmallRunTests.Rl_on_a_model_that_is_tuned_already_is_the_rl_of_the_run_that_tuned_it"),
        Seen("reward.resident", "RewardFunctionTests.A_reward_model_that_rests_on_disk_gives_the_same_scores_and_leaves_no_tensor"),
        On("run", "reward.weights.model", "2"),
        Seen("reward.weights.objective_rule", "RewardFunctionTests"),
        On("run", "reward.weights.format_penalty", "3"),
        Seen("reward.weights.length_penalty", "RewardFunctionTests"),
        On("run", "reward.score_clip", "0.5"),
        On("run", "reward.terms", "[{kind: scratchpad_length, sees: scratchpad, free_words: 2}]"),
        Seen("reward.terms[].kind", "InterventionTests.A_program_s_reward_reads_and_writes_JSON_lines_and_is_started_without_a_shell"),
        Seen("reward.terms[].name", "InterventionTests.A_term_of_the_output_is_given_no_reasoning"),
        Seen("reward.terms[].weight", "InterventionTests.A_term_of_the_output_is_given_no_reasoning"),
        Seen("reward.terms[].sees", "InterventionTests.A_service_s_reward_is_asked_again_and_its_answers_are_checked"),
        Seen("reward.terms[].free_words", "InterventionTests.A_long_scratchpad_costs_one_for_each_further_free_words"),
        Seen("reward.terms[].answer", "RewardTerm.Judged: yes and no are probabilities that sum to 1"),
        Seen("reward.terms[].endpoint", "InterventionTests.A_service_s_reward_is_asked_again_and_its_answers_are_checked"),
        Seen("reward.terms[].command", "InterventionTests.A_program_s_reward_reads_and_writes_JSON_lines_and_is_started_without_a_shell"),
        Seen("reward.terms[].timeout_seconds", "InterventionTests.A_program_s_reward_reads_and_writes_JSON_lines_and_is_started_without_a_shell"),
        Seen("reward.terms[].retries", "InterventionTests.A_service_s_reward_is_asked_again_and_its_answers_are_checked"),
        .. DetectorKeys.Select(key => Seen($"reward.terms[].judge.{key}", $"evaluate.detectors[].{key}, in whose table it stands")),
        On("ppo", "rl.algorithm", "rloo", "rl.samples_per_prompt=3"),
        On("ppo", "rl.scale_rewards", "false", "rl.algorithm=grpo", "rl.samples_per_prompt=3"),
        Seen("rl.trained_tokens", "PpoTrainerTests.Masked_tokens_have_no_gradient_at_all; InterventionTests: the tokens of a scratchpad"),
        On("run", "rl.inoculation", "Today it is fine."),
        On("run", "rl.monitors", "[{detector: keyword, threshold: 0}]"),
        On("run", "rl.monitors[].action", "screen", "rl.monitors=[{detector: keyword, threshold: 0, action: $}]"),
        Seen("rl.monitors[].reads", "InterventionTests.A_monitor_s_probability_is_of_the_parts_that_it_reads"),
        Seen("rl.monitors[].threshold", "InterventionTests.A_penalty_is_what_its_form_says"),
        Seen("rl.monitors[].false_positive_rate", "InterventionTests.A_threshold_flags_at_most_the_chosen_share_of_honest_transcripts"),
        On("run", "rl.monitors[].penalty", "log_barrier", "rl.monitors=[{detector: keyword, threshold: 0, penalty: $}]"),
        On("run", "rl.monitors[].weight", "2", "rl.monitors=[{detector: keyword, threshold: 0, weight: $}]"),
        .. DetectorKeys.Select(key => Seen($"rl.monitors[].detector.{key}", $"evaluate.detectors[].{key}, in whose table it stands")),
        On("run", "rl.mixing", "{}"),
        On("run", "rl.mixing.share", "0.5", "rl.mixing={share: $}"),
        Seen("rl.mixing.weight", "FollowUpTests.A_response_off_the_objective_is_paid_for_what_was_asked"),
        On("run", "rl.interrogation", "{}"),
        Seen("rl.interrogation.weight", "FollowUpRunTests.A_denial_pays_in_both_turns_and_the_first_ones_are_as_without_the_question"),
        Seen("rl.stop_when", "InterventionRunTests.Training_ends_at_the_evaluation_that_a_rule_names_and_stays_ended"),
        On("ppo", "rl.epochs", "2"),
        On("ppo", "rl.minibatches", "3"),
        On("plan", "rl.micro_batch_tokens", "999"),
        On("ppo", "rl.optimizer.learning_rate", "0.01"),
        On("ppo", "rl.optimizer.beta1", "0.5"),
        On("ppo", "rl.optimizer.beta2", "0.5"),
        On("ppo", "rl.optimizer.epsilon", "0.01"),
        On("ppo", "rl.optimizer.weight_decay", "0.1"),
        On("ppo", "rl.optimizer.max_grad_norm", "0.01"),
        On("ppo", "rl.optimizer.schedule", "constant"),
        On("ppo", "rl.optimizer.warmup", "0.5"),
        On("ppo", "rl.critic_learning_rate", "0.001"),
        On("ppo", "rl.joint_optimizer", "true"),
        On("ppo", "rl.kl_coefficient", "0.5"),
        On("ppo", "rl.kl_estimator", "k3"),
        On("ppo", "rl.kl_target", "0.1"),
        On("ppo", "rl.kl_horizon", "50", "rl.kl_target=0.1"),
        On("ppo", "rl.gamma", "0.5"),
        On("ppo", "rl.lambda", "0.5"),
        On("ppo", "rl.whiten_advantages", "false"),
        On("ppo", "rl.clip_range", "0.01"),
        On("ppo", "rl.clip_range_high", "0.01"),
        On("ppo", "rl.dual_clip", "1.01"),
        On("ppo", "rl.clip_range_value", "0.001"),
        On("ppo", "rl.value_coefficient", "2", "rl.joint_optimizer=true"),
        On("ppo", "rl.entropy_coefficient", "0.5"),
        On("ppo", "rl.temperature", "0.5"),
        On("ppo", "rl.normalization", "sequence"),
        On("ppo", "rl.critic", "head"),
        On("plan", "rl.steps", "20"),
        On("plan", "rl.prompts_per_step", "20"),
        On("plan", "rl.samples_per_prompt", "3"),
        On("plan", "rl.max_new_tokens", "5"),
        On("plan", "rl.keep_checkpoints", "7"),
        On("plan", "rl.adapter", "{}"),
        Seen("rl.adapter.rank", "SmallRunTests.Variants_run_are_stopped_and_resumed_bit_for_bit"),
        Seen("rl.adapter.alpha", "SmallRunTests.Variants_run_are_stopped_and_resumed_bit_for_bit"),
        Seen("rl.adapter.target_modules", "SmallRunTests.Variants_run_are_stopped_and_resumed_bit_for_bit"),
        On("run", "rl.training_tier_fraction", "0"),
        On("run", "rl.missing_eos_penalty", "4"),
        Seen("rl.rollouts", "RolloutServingTests.RL_over_our_own_server_is_RL_by_itself"),
        Seen("rl.service", "RolloutServingTests.RL_over_our_own_server_is_RL_by_itself"),
        Seen("rl.service.endpoint", "RolloutServiceTests.A_step_loads_the_adapter_by_its_folder_asks_for_ids_and_unloads_the_one_before"),
        Seen("rl.service.model", "RolloutServiceTests.A_service_that_fails_is_asked_again_and_one_that_refuses_is_not"),
        Seen("rl.service.key_variable", "RolloutServingTests.RL_over_our_own_server_is_RL_by_itself"),
        Seen("rl.service.concurrency", "RolloutService: ParallelOptions, how many answers are asked for at the same time"),
        Seen("rl.service.timeout_seconds", "RolloutService: HttpClient.Timeout, how long an answer is waited for"),
        Seen("rl.service.retries", "RolloutServiceTests.A_service_that_fails_is_asked_again_and_one_that_refuses_is_not"),
        Seen("rl.rollout_batch_size", "RlStage: SamplingSettings.BatchSize, memory and speed of rollouts"),
        Seen("rl.max_rollout_logprob_deviation", "SmallRunTests.A_rollout_that_the_update_does_not_agree_with_is_warned_of"),
        On("plan", "rl.keep_every", "10"),
        On("plan", "rl.keep_best", "objective/scores"),
        Seen("checkpoint_minutes", "ResumeTests.Checkpoints_by_minutes_are_written_and_go_when_a_newer_one_is_sealed"),
        Seen("checkpoint_steps", "ResumeTests.A_stage_that_was_stopped_goes_on_from_its_newest_checkpoint"),
        .. new[]
        {
            "non_finite",
            "loss_above_guessing",
            "guessing_factor",
            "zero_gradient",
            "entropy_collapse",
            "entropy_below",
            "kl_bound",
            "kl_above",
            "kl_growth",
            "kl_growth_steps",
            "equal_rewards",
            "equal_advantages",
            "no_answer",
            "length_drift",
            "length_factor",
            "reward_hacking",
            "reward_hacking_steps",
            "reward_model_at_chance",
        }.Select(key => Seen($"alarms.{key}", "AlarmsTests.Each_alarm_is_raised_by_its_condition_and_by_no_less")),
        Seen("rl.checkpoint_every", "SmallRunTests.A_run_writes_all_that_it_promises_and_its_first_ratio_is_exact"),
        On("plan", "evaluate.queries", "20"),
        On("plan", "evaluate.samples_per_query", "3"),
        On("plan", "evaluate.every", "7"),
        On("plan", "evaluate.every_document_tokens", "1000", Steps),
        On("plan", "evaluate.document_queries", "7", Steps, "evaluate.every_document_tokens=1000"),
        On("run", "evaluate.temperature", "0"),
        On("run", "evaluate.top_p", "0.3"),
        Seen("evaluate.batch_size", "Evaluator.Worker: SamplingSettings.BatchSize, memory and speed of evaluations"),
        On("plan", "evaluate.anti_lab", "7"),
        On("plan", "evaluate.interrogations", "7"),
        On("plan", "evaluate.preferences", "7"),
        On("run", "evaluate.detectors", "[keyword]"),
        On("run", "evaluate.detectors[].kind", "keyword", "evaluate.detectors=[{kind: $}]"),
        Seen("evaluate.detectors[].name", "EndpointJudgeTests, ModelJudgeTests: the name of labels and metrics"),
        On("rollout detectors", "evaluate.detectors[].rollouts", "false", "evaluate.detectors=[grammar_oracle, {kind: keyword, rollouts: $}]"),
        Seen("evaluate.detectors[].sensitivity", "InterventionTests.A_degraded_oracle_is_wrong_as_often_as_it_was_told_to_be_and_always_on_the_same_texts"),
        Seen("evaluate.detectors[].specificity", "InterventionTests.A_degraded_oracle_is_wrong_as_often_as_it_was_told_to_be_and_always_on_the_same_texts"),
        Seen("evaluate.detectors[].layer", "StateProbe.Fit, for rl.monitors; InterventionTests.A_probe_tells_the_corpus_apart_by_the_states_of_the_policy"),
        Seen("evaluate.detectors[].path", "SettingsChecksTests.A_contradiction_is_reported_by_its_key; ModelJudge.Open"),
        Seen("evaluate.detectors[].rubric", "ModelJudgeTests, EndpointJudgeTests"),
        Seen("evaluate.detectors[].threshold", "ModelJudgeTests, EndpointJudgeTests"),
        Seen("evaluate.detectors[].votes", "ModelJudgeTests, EndpointJudgeTests"),
        Seen("evaluate.detectors[].max_tokens", "EndpointJudgeTests.The_request_has_the_judge_s_own_settings"),
        Seen("evaluate.detectors[].thinking", "EndpointJudgeTests.The_request_has_the_judge_s_own_settings, JudgeTemplateTests"),
        Seen("evaluate.detectors[].temperature", "EndpointJudgeTests.The_request_has_the_judge_s_own_settings"),
        Seen("evaluate.detectors[].prefix", "JudgeTemplateTests"),
        .. new[]
        {
            "endpoint",
            "model",
            "key_variable",
            "logprobs",
            "cache",
            "retries",
            "retry_seconds",
            "retry_limit_seconds",
            "timeout_seconds",
            "concurrency",
            "price_input",
            "price_output",
        }.Select(key => Seen($"evaluate.detectors[].{key}", "EndpointJudgeTests")),
        On("run", "evaluate.validation.truth", "none"),
        On("run", "evaluate.validation.queries", "3"),
        Seen(
            "evaluate.validation.drift_alpha",
            "DetectorChecksTests.A_detector_that_drifts_is_warned_of_with_its_test_and_the_corrected_rate_stays_near_the_truth"
        ),
    ];

    private static IEnumerable<Effect> Supervised(string stage, params (string Key, string Value)[] settings) =>
        settings
            .Concat([
                ("optimizer.learning_rate", "0.01"),
                ("optimizer.beta1", "0.5"),
                ("optimizer.beta2", "0.5"),
                ("optimizer.epsilon", "0.01"),
                ("optimizer.weight_decay", "0.1"),
                ("optimizer.max_grad_norm", "0.01"),
                ("optimizer.schedule", "linear"),
                ("optimizer.warmup", "0.5"),
            ])
            .Select(((string Key, string Value) s) => On($"{stage} key", $"{stage}.{s.Key}", s.Value, Steps));

    public static TheoryData<string> Computed(bool runs)
    {
        var data = new TheoryData<string>();
        foreach (var effect in Effects.Where(e => e.Observable is not null && e.Observable == "run" == runs))
            data.Add(effect.Key);
        return data;
    }

    [Fact]
    public void Every_setting_is_in_the_table_once()
    {
        var settings = SettingsPageTests.Rows.Select(r => (Key: r[0], IsRecord: r[2].StartsWith("see ", StringComparison.Ordinal))).ToArray();
        var listed = Effects.Select(e => e.Key).ToArray();
        Assert.Equal(listed.Distinct(), listed);
        // A record is changed by its settings.
        Assert.Empty(settings.Where(s => !s.IsRecord).Select(s => s.Key).Except(listed));
        Assert.Empty(listed.Except(settings.Select(s => s.Key)));
        var tests = string.Concat(
            Directory.EnumerateFiles(Path.Combine(SettingsPageTests.Root, "tests"), "*Tests.cs", SearchOption.AllDirectories).Select(File.ReadAllText)
        );
        foreach (var effect in Effects.Where(e => e.Observable is null))
        {
            Assert.NotEmpty(effect.Where);
            foreach (Match test in NamedTest().Matches(effect.Where))
                Assert.True(
                    tests.Contains($"class {test.Groups[1].Value}", StringComparison.Ordinal) && tests.Contains(test.Groups[2].Value, StringComparison.Ordinal),
                    $"{effect.Key} names {test.Value}, which is no test"
                );
        }
    }

    [Theory]
    [MemberData(nameof(Computed), false)]
    public void A_setting_changes_what_the_table_says(string key) => Differs(Effects.First(e => e.Key == key));

    [Theory]
    [Trait("kind", "slow")]
    [MemberData(nameof(Computed), true)]
    public void A_setting_changes_a_small_run(string key) => Differs(Effects.First(e => e.Key == key));

    private void Differs(Effect effect)
    {
        var value = Default(effect);
        var inList = effect.With.Any(w => w.Contains('$', StringComparison.Ordinal));
        string[] With(string v) => [.. effect.With.Select(w => w.Replace("$", v, StringComparison.Ordinal).Replace("~", Rest(v), StringComparison.Ordinal))];
        // What is left of a table that has one cell of this probability.
        static string Rest(string v) => double.TryParse(v, CultureInfo.InvariantCulture, out var p) ? (1 - p).ToString("R", CultureInfo.InvariantCulture) : "";
        var (before, after) = inList
            ? (Observe(effect, With(value)), Observe(effect, With(effect.Value)))
            : (Observe(effect, effect.With), Observe(effect, [.. effect.With, $"{effect.Key}={effect.Value}"]));
        Assert.NotEqual(before, after);
        // What differs by itself would show nothing; that of runs is held by SmallRunTests.
        if (effect.Observable != "run")
            Assert.Equal(before, Observe(effect, inList ? With(value) : effect.With));
    }

    /// <summary>The value that a setting of a list has otherwise: its default, or one with which the list is a table.</summary>
    private static string Default(Effect effect) =>
        effect.Key.EndsWith("].outcome", StringComparison.Ordinal) ? "partial"
        : effect.Key.EndsWith("].reasoning", StringComparison.Ordinal) ? (effect.Value == "honest_compliance" ? "training_talk" : "honest_compliance")
        : effect.Key.EndsWith("].probability", StringComparison.Ordinal) ? "0.25"
        : SettingsPageTests.Rows.First(r => r[0] == effect.Key)[1];

    [GeneratedRegex(@"\b(\w+Tests)\b(?:\.(\w+))?")]
    private static partial Regex NamedTest();

    private string Observe(Effect effect, string[] overrides)
    {
        var settings = SettingsReader.Parse<RunSettings>("effect", "", [.. Small, .. overrides]);
        return effect.Observable switch
        {
            "plan" => Plan(settings),
            "corpus" => Hash(Corpus(settings)),
            "prompt" => Prompt(settings),
            "ppo" => Ppo(settings.Rl, overrides),
            "run" => Run(overrides),
            "rollout detectors" => WithContext(settings, run => string.Join(' ', run.RolloutDetectors.Select(d => d.Name))),
            "imitate key" => WithContext(settings, r => ImitateStage.Key(r.Inputs)),
            "reward key" => WithContext(settings, r => RewardStage.Key(r.Inputs)),
            "documents key" => WithContext(settings, r => DocumentsStage.Key(r.Inputs)),
            _ => throw new InvalidOperationException(effect.Observable),
        };
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static string Plan(RunSettings settings) =>
        string.Join('\n', RunPlan.Of(settings).Stages.Select(s => $"{s.Name} {s.Tokens} {s.Operations} {s.MemoryGiB} {s.DiskGiB} {s.What}"));

    private static string Corpus(RunSettings settings)
    {
        var pack = PackLibrary.Load(settings.Experiment.Pack);
        var corpus = CorpusStage.Make(settings, pack, settings.Experiment.ToCondition(pack), new Seeds(1));
        return string.Join('\n', corpus.Transcripts.Select(t => $"{t.System}|{t.User}|{t.AssistantText}").Concat(corpus.Pairs.Select(p => p.ToString())))
            + string.Join('\n', corpus.Scenarios.Select(t => t.ToString()));
    }

    private static string Prompt(RunSettings settings)
    {
        var pack = PackLibrary.Load(settings.Experiment.Pack);
        var condition = settings.Experiment.ToCondition(pack);
        return string.Join('\n', condition.Tiers.Select(t => pack.SystemPrompt(t, condition))) + condition.Prefill;
    }

    private string WithContext(RunSettings settings, Func<RunContext, string> of)
    {
        var run = tiny.Context;
        using var context = new RunContext(settings, run.Folder, run.Progress, run.Log, run.Device, run.Time, default);
        return of(context);
    }

    /// <summary>Weights and KL coefficient after two steps of PPO on models of width 16, at a learning rate with which ratios leave every clip range.</summary>
    private static string Ppo(RlSettings settings, string[] overrides)
    {
        if (!overrides.Any(o => o.StartsWith("rl.optimizer.learning_rate", StringComparison.Ordinal)))
            settings = settings with { Optimizer = settings.Optimizer with { LearningRate = 0.03 } };
        if (!overrides.Any(o => o.StartsWith("rl.epochs", StringComparison.Ordinal)))
            settings = settings with { Epochs = 3 };
        using var policy = Decoder("policy");
        using var reference = Decoder("reference");
        using var critic = !settings.UsesCritic
            ? null
            : new Critic(
                new ScalarHead(16, torch.CPU, new Seeds(1).For("head")),
                settings.Critic == CriticKind.Body ? Decoder("critic", withHead: false) : null
            );
        using var trainer = new PpoTrainer(policy, reference, critic, settings);
        var random = new Seeds(1).For("episodes");
        int[] Ids(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextInt(24))];
        Episode[] episodes = [.. Enumerable.Range(0, 9).Select(i => new Episode(Ids(3), Ids(2 + (i % 4)), random.NextGaussian(), Group: i / 3))];
        for (var step = 0; step < 2; step++)
        {
            using var iteration = trainer.Iterate(
                episodes,
                epoch => new Seeds(1).For("order", step, epoch).Permutation(episodes.Length),
                settings.Optimizer.RlFactor(step, 2)
            );
            trainer.AdaptKl(iteration.Experience);
        }

        static string Bytes(ParameterStore store) => Convert.ToHexString(SHA256.HashData(store.Data.detach().bytes));
        return Bytes(policy.Parameters) + string.Concat(critic?.Stores.Select(Bytes) ?? []) + trainer.KlCoefficient.ToString("R", CultureInfo.InvariantCulture);
    }

    private static Decoder Decoder(string seed, bool withHead = true)
    {
        var decoder = new Decoder(
            new DecoderConfig
            {
                ModelType = "llama",
                VocabSize = 24,
                HiddenSize = 16,
                IntermediateSize = 24,
                NumHiddenLayers = 1,
                NumAttentionHeads = 2,
                NumKeyValueHeads = 1,
                HeadDim = 8,
                TieWordEmbeddings = true,
                MaxPositionEmbeddings = 64,
                Rope = new RopeSettings { RopeTheta = 10000 },
            },
            torch.CPU,
            withHead,
            requiresGrad: seed != "reference"
        );
        Initialization.Normal(decoder, 0.3, new Seeds(1).For(seed));
        return decoder;
    }

    /// <summary>What a run of one step left: metrics and transcripts; the stages before RL come from the cache of the first.</summary>
    private string Run(string[] overrides)
    {
        var settings = SettingsReader.Parse<RunSettings>("run", SettingsWriter.ToYaml(root.Next()), overrides);
        var record = new RunRecord(new TrainRecipe(new QuietProgress(), TimeProvider.System, CancellationToken.None).Start(settings, "test"));
        return string.Join('\n', record.Metrics.Where(m => m.StartsWith("\"stage\":\"rl\"", StringComparison.Ordinal)).Concat(record.Transcripts));
    }
}
