using RlHarness.Models.Loading;
using RlHarness.Models.Native;
using static TorchSharp.torch;

// Symbols: T tokens of a prompt, V vocabulary, K likeliest tokens that the file has.
namespace RlHarness.Models.Verification;

/// <summary>Numbered prompts: log-probabilities of their tokens, the likeliest tokens at each place, the last logits, the greedy answer.</summary>
internal static class ConversationChecks
{
    internal static IReadOnlyList<FidelityCheck> Of(LoadedModel model, ReferenceFile reference)
    {
        using var guard = no_grad();
        var checks = new List<FidelityCheck>();
        var prompts = new List<int[]>();
        var tokens = new LargestError("log-probabilities (*.prompt_logprobs)", Tolerances.Logprobs);
        var likeliest = new LargestError("likeliest tokens (*.top10_logprobs)", Tolerances.Logprobs);
        var last = new LargestError("logits (*.last_logits)", Tolerances.Logprobs);
        for (var i = 0; reference.Has($"{i}.input_ids"); i++)
        {
            using var scope = NewDisposeScope();
            var ids = reference.Longs($"{i}.input_ids", -1).Select(id => (int)id).ToArray();
            prompts.Add(ids);
            using var batch = ModelVerifier.Pack(model, reference, [ids]);
            var logits = HostReads.Copy(model.Decoder.Logits(model.Decoder.Forward(batch))); // [T, V]
            var logp = nn.functional.log_softmax(logits, -1);
            if (reference.Has($"{i}.prompt_logprobs"))
            {
                var next = tensor(ids.Skip(1).Select(id => (long)id).ToArray(), device: CPU).unsqueeze(1); // [T − 1, 1]
                tokens.Add(
                    $"{i}.prompt_logprobs",
                    logp.narrow(0, 0, ids.Length - 1).gather(1, next).squeeze(1),
                    reference.Floats($"{i}.prompt_logprobs", ids.Length - 1)
                );
            }

            if (reference.Has($"{i}.top10_ids"))
            {
                var width = reference.Shape($"{i}.top10_ids")[^1];
                var places = tensor(reference.Longs($"{i}.top10_ids", ids.Length, width), ids.Length, width, device: CPU); // [T, K]
                likeliest.Add($"{i}.top10_logprobs", logp.gather(1, places), reference.Floats($"{i}.top10_logprobs", ids.Length, width));
            }

            if (reference.Has($"{i}.last_logits"))
                last.Add($"{i}.last_logits", logits[ids.Length - 1], reference.Floats($"{i}.last_logits", model.Decoder.Config.VocabSize));
        }

        tokens.AddTo(checks);
        likeliest.AddTo(checks);
        last.AddTo(checks);
        if (!Enumerable.Range(0, prompts.Count).All(i => reference.Has($"{i}.greedy")))
            return checks;
        var want = prompts.Select((_, i) => reference.Longs($"{i}.greedy", -1)).ToArray();
        var logprobs = prompts
            .Select((_, i) => reference.Has($"{i}.greedy_logprobs") ? HostReads.Array<float>(reference.Floats($"{i}.greedy_logprobs", want[i].Length)) : [])
            .ToArray();
        checks.AddRange(GreedyChecks.Of(model, prompts, want, logprobs.All(row => row.Length > 0) ? logprobs : null, suppressed: [], "*.greedy"));
        return checks;
    }
}
