using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Models.Generation;
using RlHarness.Recipes.Running;
using RlHarness.Tracking.Store;
using RlHarness.Training.Rollouts;

namespace RlHarness.Recipes.Stages;

/// <summary>From a rollout to its row in the run store.</summary>
internal static class Transcripts
{
    /// <param name="prompt">For a rollout of training: the number of its prompt in the step.</param>
    /// <param name="system">The system prompt; null: that of the condition and tier.</param>
    internal static TranscriptRow Row(
        RunContext run,
        string stage,
        long step,
        Query query,
        Tier tier,
        int sample,
        RolloutWorker.Rollout rollout,
        ParsedResponse response,
        IReadOnlyDictionary<string, double>? rewards,
        string? system = null,
        int? prompt = null
    ) =>
        new(
            stage,
            step,
            query.Split,
            tier,
            query.Id,
            sample,
            run.Condition.Name,
            system ?? run.Pack.SystemPrompt(tier, run.Condition),
            query.Text,
            run.AnswerStart + rollout.Text,
            response.Reasoning,
            response.Output,
            response.FormatProblem,
            rollout.Finish == FinishReason.Length ? "length" : "stop",
            rollout.ResponseIds,
            rollout.Logprobs,
            rewards ?? new Dictionary<string, double>(),
            prompt
        );
}
