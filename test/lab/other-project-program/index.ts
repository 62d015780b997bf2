export * from "../../../index";
