using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Terminal;
using RlHarness.Formats.Files;
using RlHarness.Models.Conversion;
using RlHarness.Recipes.Settings;

namespace RlHarness.Cli.Commands;

internal static class ModelConvertCommand
{
    internal static Command Create()
    {
        var source = new Argument<string>("source") { Description = "A Hugging Face folder or a GGUF file; names below RLHARNESS_MODELS work too." };
        var target = new Argument<string>("target") { Description = "What to write; nothing may be there." };
        var to = new Option<string?>("--to") { Description = "folder or gguf; left out, a target that ends in .gguf is one." };
        to.AcceptOnlyFromAmong("folder", "gguf");
        var type = new Option<string?>("--type")
        {
            Description = "f32, f16, bf16, or for GGUF q8_0; left out, the source's where it is one of these, else f32.",
        };
        type.AcceptOnlyFromAmong("f32", "f16", "bf16", "q8_0");
        var adapter = new Option<string?>("--adapter") { Description = "A LoRA adapter to be added to the weights: a folder in PEFT's format." };
        var json = Options.Json();
        var command = new Command(
            "convert",
            "Write a model in another form: Hugging Face folder or GGUF file, another type, an adapter merged. Tokenizer and chat "
                + "templates travel; what the target can't hold is an error before anything is written.\n\nExamples:\n  rlharness model convert "
                + "SmolLM2-135M-Instruct.Q4_1.gguf smollm2 --type bf16\n  rlharness model convert out/quickstart/imitate imitate.gguf --type "
                + "q8_0\n  rlharness model convert Llama-3.2-1B merged --adapter my-adapter"
        )
        {
            source,
            target,
            to,
            type,
            adapter,
            json,
        };
        command.SetAction(parsed =>
            CommandLine.Guard(() =>
            {
                var path = parsed.GetValue(target)!;
                var settings = new ConversionSettings
                {
                    ToGguf = parsed.GetValue(to) is { } kind ? kind == "gguf" : path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase),
                    Type = parsed.GetValue(type) is { } name ? Enum.Parse<WeightType>(name, ignoreCase: true) : null,
                    Adapter = parsed.GetValue(adapter),
                };
                var result = ModelConverter.Convert(ModelLibrary.Find(parsed.GetValue(source)!), path, settings);
                if (parsed.GetValue(json))
                    JsonOutput.Print(result);
                else
                    Print(result);
                return 0;
            })
        );
        return command;
    }

    private static void Print(ConversionResult result)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{result.Target}: {result.Tensors} tensors, {result.Type}, {result.Bytes / 1e6:n1} MB"));
        foreach (var note in result.Notes)
            Console.WriteLine("note: " + note);
    }
}
