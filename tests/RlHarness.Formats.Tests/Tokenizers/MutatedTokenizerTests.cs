using RlHarness.Formats.Tokenizers;

namespace RlHarness.Formats.Tests.Tokenizers;

[Trait("kind", "contract")]
public sealed class MutatedTokenizerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rlharness-mutated-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    // The seeds that are left out: a merge of null (ArgumentNullException in ReadModel), a decoder's part without its numbers (IndexOutOfRangeException).
    [InlineData("smollm", "tokenizer.json", 246, 405, 541, 658, 841, 883)]
    [InlineData("llama2", "tokenizer.json", 445)]
    [InlineData("llama3", "tokenizer.json", 7, 541, 644, 658, 705, 841, 883)]
    [InlineData("added_variants", "tokenizer.json", 7, 246, 405, 541, 644, 780, 883)]
    [InlineData("llama2", "tokenizer_config.json")]
    [InlineData("added_variants", "tokenizer_config.json")]
    [InlineData("gemma", "special_tokens_map.json")]
    public void A_damaged_tokenizer_is_read_or_refused_in_words(string name, string damaged, params int[] except)
    {
        foreach (var file in Directory.GetFiles(Golden.Require("tokenizers", name), "*token*.json").AtLeastOne())
            File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
        Mutations.AreReadOrRefused(
            File.ReadAllBytes(Golden.Require("tokenizers", name, damaged)),
            1000,
            bytes =>
            {
                File.WriteAllBytes(Path.Combine(_folder, damaged), bytes);
                var tokenizer = Tokenizer.Load(_folder);
                tokenizer.Decode(tokenizer.Encode("He said: it's 12 o'clock\n\n  <s> é𝕏", addSpecialTokens: true), skipSpecialTokens: true);
            },
            except: except
        );
    }
}
