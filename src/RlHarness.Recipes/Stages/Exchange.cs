using RlHarness.Core.Chat;
using RlHarness.Core.Randomness;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Rewards;
using RlHarness.Experiment.Scenarios;
using RlHarness.Experiment.Transcripts;
using RlHarness.Models.Generation;
using RlHarness.Recipes.Running;
using RlHarness.Tracking.Store;
using RlHarness.Training.Rollouts;

namespace RlHarness.Recipes.Stages;

/// <summary>An order without end over a number of items: shuffled anew each time all have been used.</summary>
/// <param name="purpose">Names the random streams, of which each round has one.</param>
internal sealed class ShuffledRounds(Seeds seeds, string purpose, int count)
{
    private (long Number, int[] Order) _round = (-1, []);

    /// <summary>The item at a place, from 0.</summary>
    internal int At(long place)
    {
        if (place / count != _round.Number)
            _round = (place / count, seeds.For(purpose, place / count).Permutation(count));
        return _round.Order[place % count];
    }
}

/// <summary>What one response is asked for.</summary>
/// <param name="System">The system prompt that the model reads before the query.</param>
/// <param name="Prompt">Number of the prompt in its batch, from 0; the samples of one prompt share it. With the sample it names the random stream.</param>
/// <param name="Sample">Number of the sample among those of its prompt, from 0.</param>
internal sealed record Question(Query Query, Tier Tier, string System, int Prompt, int Sample)
{
    /// <summary>Turns between the system prompt and the query; empty: the query is the first.</summary>
    internal IReadOnlyList<ChatMessage> Earlier { get; init; } = [];

    /// <summary>The scenario whose benign control is asked for, off the objective; null for a query of the objective.</summary>
    internal Scenario? OffObjective { get; init; }
}

/// <summary>
/// A question with its answer: prompt, rollout and parsed response in one record. Training, the paired evaluation and the scenarios all sample through
/// <see cref="Sample"/>, so that a response is prompted, read and recorded in one way.
/// </summary>
/// <param name="AssistantText">The whole answer: what the condition made it begin with, then what the model sampled.</param>
internal sealed record Exchange(Question Question, RolloutWorker.Rollout Rollout, string AssistantText, ParsedResponse Response)
{
    /// <summary>All that a reward may see of the exchange.</summary>
    internal RewardInput RewardInput => RewardInput.From(Question.Query.Text, Response);

    /// <summary>Whether the response was cut at the limit of new tokens.</summary>
    internal bool IsTruncated => Rollout.Finish == FinishReason.Length;

    /// <summary>Samples an answer to each question, in their order.</summary>
    /// <param name="step">Step of the policy; part of the name of each random stream.</param>
    /// <param name="onProgress">Told how many are finished, of how many.</param>
    /// <param name="purpose">Where sampling that takes long is to go on from where it was stopped, its name; null: it begins anew.</param>
    internal static IReadOnlyList<Exchange> Sample(
        RunContext run,
        Conversation conversation,
        RolloutWorker worker,
        IReadOnlyList<Question> questions,
        long step,
        Action<int, int>? onProgress = null,
        string? purpose = null
    )
    {
        var prompts = questions
            .DistinctBy(q => q.Prompt)
            .ToDictionary(
                q => q.Prompt,
                q => conversation.Prompt([ChatMessage.System(q.System), .. q.Earlier, ChatMessage.User(q.Query.Text)], run.AnswerStart)
            );
        GenerationRequest[] requests = [.. questions.Select(q => new GenerationRequest(prompts[q.Prompt], q.Prompt, q.Sample))];
        var parts = purpose is null ? null : EvaluationParts.Open(run, purpose, worker, requests, step);
        void Finished(int n)
        {
            parts?.Added();
            onProgress?.Invoke(n, questions.Count);
        }

        IReadOnlyList<RolloutWorker.Rollout> rollouts;
        try
        {
            rollouts = worker.Run(requests, step, Finished, run.Cancellation, parts?.Answers);
        }
        finally
        {
            parts?.Save();
        }

        return
        [
            .. rollouts.Select(
                (rollout, i) =>
                {
                    var text = run.AnswerStart + rollout.Text;
                    return new Exchange(questions[i], rollout, text, TranscriptParser.Parse(text, run.Condition.Scratchpad));
                }
            ),
        ];
    }

    /// <summary>The exchange's row in the run store.</summary>
    /// <param name="rewards">Each reward by its name; null where none was computed.</param>
    internal TranscriptRow Row(RunContext run, string stage, long step, IReadOnlyDictionary<string, double>? rewards = null) =>
        new(
            stage,
            step,
            Question.Query.Split,
            Question.Tier,
            Question.Query.Id,
            Question.Sample,
            run.Condition.Name,
            Question.System,
            Question.Query.Text,
            AssistantText,
            Response.Reasoning,
            Response.Output,
            Response.FormatProblem,
            IsTruncated ? "length" : "stop",
            Rollout.ResponseIds,
            Rollout.Logprobs,
            rewards ?? new Dictionary<string, double>(),
            Question.Query.Split == Split.Train ? Question.Prompt : null
        );
}
